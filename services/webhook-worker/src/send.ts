// One delivery, once: worded, signed, sent, judged. Writes nothing down.
import { type MessageFacts, presentMessage } from "@holdfast/contracts";
import type { DueDelivery, EndedAttempt } from "@holdfast/db";
import type { EpochMs } from "@holdfast/domain";
import type { Logger } from "@holdfast/runtime";
import { signedHeaders } from "@holdfast/webhooks";
import type { AttemptEnd, Carrier } from "./attempt.ts";
import type { WebhookMetrics } from "./metrics.ts";
import { judge, type Verdict } from "./schedule.ts";

export interface SendDeps {
  readonly carrier: Pick<Carrier, "attempt">;
  readonly secrets: readonly string[];
  /** Database time. */
  readonly now: () => EpochMs;
  readonly monotonicMs: () => number;
  /** From 0 to less than 1. */
  readonly random: () => number;
  readonly metrics: Pick<WebhookMetrics, "attempted" | "first" | "unworded">;
  readonly log: Pick<Logger, "error">;
  readonly stopping: AbortSignal;
}

/** What is to be written down of a delivery that was sent. */
export interface Sent {
  readonly attempt: EndedAttempt;
  readonly verdict: Verdict;
}

/** Null when it was broken off by our own stop: then it was never made. */
export async function sendOne(
  delivery: DueDelivery,
  { url, ...deps }: SendDeps & { readonly url: string },
): Promise<Sent | null> {
  const { id, tries, dueAt } = delivery;
  const notice = delivery.notice as MessageFacts["notice"];
  const at = deps.now();
  const begun = deps.monotonicMs();
  if (delivery.untried) deps.metrics.first(delivery, at);
  const signed = wordAndSign(delivery, { ...deps, notice, at });
  const end = await (signed === null ? NOTHING_SENT : send(signed, { ...deps, url, notice }));
  if (end.kind === "broken-off") return null;
  const challenge = notice.type === "endpoint.verification" ? notice.challenge : null;
  const judged = judge(
    { type: notice.type, challenge, tries, end },
    { now: deps.now(), random: deps.random() },
  );
  const verdict = signed === null ? { ...judged, endpoint: null } : judged;
  return {
    verdict,
    attempt: {
      id,
      tries,
      dueAt,
      at,
      status: end.kind === "answered" ? end.status : null,
      durationMs: Math.round(deps.monotonicMs() - begun),
      becomes: verdict.becomes,
      waitMs: verdict.waitMs,
    },
  };
}

/** What could not be worded takes its place in the schedule like a failure, which it is not of the endpoint. */
const NOTHING_SENT = { kind: "unanswered", why: "unreachable" } as const;

interface Signed {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Null when we cannot: others go on, and a later version may do better. */
function wordAndSign(
  { id: deliveryId, messageId: id, messageCreatedAt: createdAt, eventId, sequence }: DueDelivery,
  { notice, at, secrets, metrics, log }: SendDeps & { notice: MessageFacts["notice"]; at: EpochMs },
): Signed | null {
  try {
    const body = JSON.stringify(presentMessage({ id, createdAt, eventId, sequence, notice }));
    return { headers: { ...signedHeaders({ id, at, body }, secrets) }, body };
  } catch (error) {
    log.error({ err: error, deliveryId }, "a delivery could not be worded");
    metrics.unworded();
    return null;
  }
}

const send = (
  signed: Signed,
  { url, notice, ...deps }: SendDeps & { url: string; notice: MessageFacts["notice"] },
): Promise<AttemptEnd> =>
  deps.metrics.attempted(
    deps.carrier.attempt({
      ...signed,
      url,
      wantsAnswer: notice.type === "endpoint.verification",
      signal: deps.stopping,
    }),
  );
