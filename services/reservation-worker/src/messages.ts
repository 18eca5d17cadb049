// Who is told of what: from what happened in a batch, and whose endpoints hear of it, to the messages to be written with
// the batch. A message that nobody wants is not written, and takes no number.
import type { MessageToWrite, Subscriber } from "@holdfast/db/inventory";
import type { DeliveryId, Notice, UserId, WebhookEndpointId, WebhookMessageId } from "@holdfast/domain";

export interface MessageIds {
  readonly newMessageId: () => WebhookMessageId;
  readonly newDeliveryId: () => DeliveryId;
}

/** In the order of the notices. */
export function messagesFor(
  notices: readonly Notice[],
  subscribers: readonly Subscriber[],
  { newMessageId, newDeliveryId }: MessageIds,
): MessageToWrite[] {
  const all = subscribers.filter(({ hearsAll }) => hearsAll);
  const own = Map.groupBy(
    subscribers.filter(({ hearsAll }) => !hearsAll),
    ({ ownerId }) => ownerId,
  );
  return notices.flatMap((notice): MessageToWrite[] => {
    const hearers = [...all, ...ownersOf(notice, own)].filter(
      ({ types }) => types?.includes(notice.type) ?? true,
    );
    if (hearers.length === 0) return [];
    const deliveries = hearers.map(({ id: endpointId, disabled: missed }) => ({
      id: newDeliveryId(),
      endpointId,
      missed,
    }));
    return [{ id: newMessageId(), notice, deliveries }];
  });
}

const ownersOf = (
  { userId }: Notice,
  own: ReadonlyMap<UserId, readonly Subscriber[]>,
): readonly Subscriber[] => (userId === null ? [] : (own.get(userId) ?? []));

/** An endpoint that has something to be delivered. */
export interface Notified {
  readonly endpointId: WebhookEndpointId;
  /** Its last attempt failed. */
  readonly troubled: boolean;
}

export function notifiedBy(
  messages: readonly MessageToWrite[],
  subscribers: readonly Subscriber[],
): Notified[] {
  const notified = new Set(
    messages.flatMap(({ deliveries }) => deliveries.map(({ endpointId }) => endpointId)),
  );
  return subscribers
    .filter(({ id, disabled }) => notified.has(id) && !disabled)
    .map(({ id: endpointId, troubled }) => ({ endpointId, troubled }));
}
