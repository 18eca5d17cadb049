// Renders `docs/problems.md` as a page whose headings can be linked to. Knows only the Markdown used there:
// headings, paragraphs, lists, `code`.

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");

const inline = (text: string): string =>
  escaped(text.replaceAll("\n", " ")).replaceAll(/`([^`]+)`/g, "<code>$1</code>");

/** The name that a heading can be linked by, as GitHub makes it. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, "")
    .trim()
    .replaceAll(/\s+/g, "-");

export function pageOfMarkdown(markdown: string): string {
  const blocks = markdown
    .trim()
    .split(/\n{2,}/)
    .map(block);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Holdfast: problems</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 45rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
h2 { border-top: 1px solid #8884; padding-top: 1rem } :target { background: #ff04 }
</style>
${blocks.join("\n")}
</html>
`;
}

function block(text: string): string {
  const heading = /^(#{1,3}) (.+)$/.exec(text);
  if (heading?.[1] !== undefined && heading[2] !== undefined) {
    const level = heading[1].length;
    return `<h${level} id="${anchorOf(heading[2])}">${inline(heading[2])}</h${level}>`;
  }
  if (!text.startsWith("- ")) return `<p>${inline(text)}</p>`;
  return `<ul>${text
    .slice(2)
    .split("\n- ")
    .map((item) => `<li>${inline(item)}</li>`)
    .join("")}</ul>`;
}
