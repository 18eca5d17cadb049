// A plot as an SVG picture: bars side by side, or lines over a number. It brings its own ground and its own colours for
// light and for dark, and no script.
import type { Plot, Series } from "../row.ts";
import { tickText } from "./numbers.ts";
import { type Scale, scaleOf } from "./scale.ts";
import { element, escaped, text } from "./svg.ts";

const WIDTH = 760;
const HEIGHT = 420;
const LEFT = 78;
const RIGHT = 28;
const BOTTOM = 64;
const TITLE_Y = 28;
/** Of a line of the legend. */
const LEGEND_HEIGHT = 22;
const LEGEND_Y = 54;
const SWATCH = 12;
/** A character's width, about, as no font can be asked here. */
const CHARACTER = 7.6;
const CHARACTER_SMALL = 6.4;
/** Of the room of a group of bars, what stays free on either side. */
const GROUP_GAP = 0.14;
const BAR_WIDTH_MAX = 64;
const MARK = 3.5;

/** Told apart by who sees few colours, too, and each on both grounds. More series begin anew, dashed. */
const LIGHT = ["#1f6fd1", "#c2570c", "#12805c", "#a23b8f", "#7a6400", "#5c636b"];
const DARK = ["#6cabff", "#ff9d57", "#43c79b", "#e78bd0", "#d8b53c", "#aab2bc"];

const STYLE = [
  "text{font:13px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#1f2328}",
  ".title{font-size:16px;font-weight:600}.small{font-size:12px}.axis{fill:#57606a}",
  ".ground{fill:#fff}.grid{stroke:#d8dee4}.base{stroke:#57606a}",
  ".line{fill:none;stroke-width:2.2;stroke-linejoin:round}.dashed{stroke-dasharray:7 5}",
  ...LIGHT.map((colour, i) => `.f${i}{fill:${colour}}.s${i}{stroke:${colour}}`),
  "@media(prefers-color-scheme:dark){",
  "text{fill:#e6edf3}.axis{fill:#9da7b1}.ground{fill:#0d1117}.grid{stroke:#2b323b}.base{stroke:#9da7b1}",
  ...DARK.map((colour, i) => `.f${i}{fill:${colour}}.s${i}{stroke:${colour}}`),
  "}",
].join("");

const colourOf = (index: number): number => index % LIGHT.length;
const isDashed = (index: number): boolean => index >= LIGHT.length;

/** The room in which values stand. */
interface Room {
  readonly top: number;
  readonly bottom: number;
  readonly y: Scale;
}

export function plotSvg(plot: Plot): string {
  const legend = legendOf(plot.series);
  const top = LEGEND_Y + legend.lines * LEGEND_HEIGHT + 4;
  const bottom = HEIGHT - BOTTOM;
  const values = plot.series.flatMap(({ points }) => points.map(({ y }) => y));
  const room: Room = { top, bottom, y: scaleOf(plot.y, values) };
  const drawn = plot.kind === "bars" ? bars(plot, room) : lines(plot, room);
  const inner = [
    element("title", {}, [escaped(plot.title)]),
    element("style", {}, [STYLE]),
    element("rect", { class: "ground", width: WIDTH, height: HEIGHT, rx: 6 }),
    text(plot.title, { class: "title", x: LEFT, y: TITLE_Y }),
    ...legend.drawn,
    ...yAxis(plot, room),
    ...drawn,
    text(plot.x.label, {
      class: "axis",
      x: (LEFT + WIDTH - RIGHT) / 2,
      y: HEIGHT - 16,
      "text-anchor": "middle",
    }),
  ];
  const head = {
    xmlns: "http://www.w3.org/2000/svg",
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    width: WIDTH,
    height: HEIGHT,
  };
  return `${element(
    "svg",
    { ...head, role: "img" },
    inner.map((one) => `\n${one}`),
  )}\n`;
}

/** One series needs no legend: the title names it. */
function legendOf(series: readonly Series[]): { drawn: string[]; lines: number } {
  if (series.length < 2) return { drawn: [], lines: 0 };
  let x = LEFT;
  let lines = 1;
  const drawn = series.flatMap(({ name }, i) => {
    const width = SWATCH + 6 + name.length * CHARACTER + 20;
    if (x + width > WIDTH && x > LEFT) {
      x = LEFT;
      lines += 1;
    }
    const y = LEGEND_Y + (lines - 1) * LEGEND_HEIGHT;
    const pieces = [
      element("rect", {
        class: `f${colourOf(i)}`,
        x,
        y: y - SWATCH + (isDashed(i) ? 5 : 2),
        width: SWATCH,
        height: isDashed(i) ? 5 : SWATCH,
        rx: 2,
      }),
      text(name, { x: x + SWATCH + 6, y }),
    ];
    x += width;
    return pieces;
  });
  return { drawn, lines };
}

const upAt = ({ top, bottom }: Room, place: number): number => bottom - place * (bottom - top);

function yAxis({ y: { label } }: Plot, room: Room): string[] {
  const middle = (room.top + room.bottom) / 2;
  const strokes = room.y.ticks.flatMap((tick) => {
    const y = upAt(room, room.y.place(tick) ?? 0);
    return [
      element("line", { class: tick === 0 ? "base" : "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }),
      text(tickText(tick), { class: "small axis", x: LEFT - 8, y: y + 4, "text-anchor": "end" }),
    ];
  });
  const turned = {
    class: "axis",
    x: 20,
    y: middle,
    "text-anchor": "middle",
    transform: `rotate(-90 20 ${Math.round(middle)})`,
  };
  return [...strokes, text(label, turned)];
}

function bars({ series }: Plot, room: Room): string[] {
  const groups = [...new Set(series.flatMap(({ points }) => points.map(({ x }) => x)))];
  const groupWidth = (WIDTH - LEFT - RIGHT) / Math.max(1, groups.length);
  const barWidth = Math.min(BAR_WIDTH_MAX, (groupWidth * (1 - 2 * GROUP_GAP)) / Math.max(1, series.length));
  const ground = upAt(room, Math.max(0, room.y.place(0) ?? 0));
  return groups.flatMap((group, at) => {
    const middle = LEFT + (at + 0.5) * groupWidth;
    const first = middle - (barWidth * series.length) / 2;
    const drawn = series.flatMap(({ points }, i) => {
      const point = points.find(({ x }) => x === group);
      const place = point === undefined ? null : room.y.place(point.y);
      if (point === undefined || place === null) return [];
      const end = upAt(room, place);
      const x = first + i * barWidth;
      const label = tickText(point.y);
      const fits =
        label.length * CHARACTER_SMALL <= Math.max(barWidth, series.length === 1 ? groupWidth : 0) + 4;
      return [
        element("rect", {
          class: `f${colourOf(i)}`,
          x: x + 1,
          y: Math.min(end, ground),
          width: Math.max(1, barWidth - 2),
          height: Math.max(1, Math.abs(ground - end)),
        }),
        ...(fits
          ? [
              text(label, {
                class: "small",
                x: x + barWidth / 2,
                y: Math.min(end, ground) - 5,
                "text-anchor": "middle",
              }),
            ]
          : []),
      ];
    });
    const name = typeof group === "number" ? tickText(group) : group;
    return [
      ...drawn,
      text(name, { class: "small", x: middle, y: room.bottom + 20, "text-anchor": "middle" }),
    ];
  });
}

function lines({ x: axis, series }: Plot, room: Room): string[] {
  const xs = series.flatMap(({ points }) => points.map(({ x }) => Number(x)));
  const scale = scaleOf(axis, xs);
  const across = (place: number): number => LEFT + place * (WIDTH - LEFT - RIGHT);
  const ticks = scale.ticks.flatMap((tick) => {
    const x = across(scale.place(tick) ?? 0);
    return [
      element("line", { class: "grid", x1: x, x2: x, y1: room.top, y2: room.bottom }),
      text(tickText(tick), { class: "small axis", x, y: room.bottom + 20, "text-anchor": "middle" }),
    ];
  });
  const drawn = series.flatMap(({ points }, i) => {
    const places = points
      .toSorted((a, b) => Number(a.x) - Number(b.x))
      .flatMap((point) => {
        const [x, y] = [scale.place(Number(point.x)), room.y.place(point.y)];
        return x === null || y === null ? [] : [{ x: across(x), y: upAt(room, y) }];
      });
    const path = places.map(({ x, y }) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" ");
    const marks =
      places.length > MARKED_MAX
        ? []
        : places.map(({ x, y }) => element("circle", { class: `f${colourOf(i)}`, cx: x, cy: y, r: MARK }));
    return [
      element("polyline", { class: `line s${colourOf(i)}${isDashed(i) ? " dashed" : ""}`, points: path }),
      ...marks,
    ];
  });
  return [...ticks, ...drawn];
}

/** Points of a line that are marked each. */
const MARKED_MAX = 40;
