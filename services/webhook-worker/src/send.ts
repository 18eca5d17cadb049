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
  readonly metrics: Pick<WebhookMetrics, "attempted" | "first">;
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
  const end = await attempt(delivery, { ...deps, url, notice, at });
  if (end.kind === "broken-off") return null;
  const challenge = notice.type === "endpoint.verification" ? notice.challenge : null;
  const verdict = judge(
    { type: notice.type, challenge, tries, end },
    { now: deps.now(), random: deps.random() },
  );
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

async function attempt(
  delivery: DueDelivery,
  {
    url,
    notice,
    at,
    ...deps
  }: SendDeps & { readonly url: string; readonly notice: MessageFacts["notice"]; readonly at: EpochMs },
): Promise<AttemptEnd> {
  const { messageId: id, messageCreatedAt: createdAt, eventId, sequence } = delivery;
  try {
    const body = JSON.stringify(presentMessage({ id, createdAt, eventId, sequence, notice }));
    return await deps.metrics.attempted(
      deps.carrier.attempt({
        url,
        headers: { ...signedHeaders({ id, at, body }, deps.secrets) },
        body,
        wantsAnswer: notice.type === "endpoint.verification",
        signal: deps.stopping,
      }),
    );
  } catch (error) {
    // A fault of ours. It takes its place in the schedule like a failure: others go on, and a later version may do better.
    deps.log.error({ err: error, deliveryId: delivery.id }, "a delivery could not be worded");
    return { kind: "unanswered", why: "unreachable" };
  }
}
