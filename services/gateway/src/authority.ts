// Who may act for an event, and on what others have of it. What is not yours is not found. The rules judge again, by
// the role that a command carries.
import type { EventId, UserId, UserRole } from "@holdfast/domain";
import type { GatewayDeps } from "./deps.ts";
import type { Identity } from "./identity.ts";
import { notFound } from "./refused.ts";

export interface Authority {
  /** The role of its owner, or of who organizes its event. Throws `Refused` for anybody else. */
  roleOver(
    origin: { readonly eventId: EventId; readonly userId: UserId },
    identity: Identity,
  ): Promise<UserRole>;
  /** For routes that organizers may use: throws `Refused` for those of other events. */
  mustOrganize(eventId: EventId, identity: Identity): Promise<void>;
}

export function authorityOf({ origins, roleNow }: Pick<GatewayDeps, "origins" | "roleNow">): Authority {
  return {
    async roleOver({ eventId, userId }, identity) {
      if (userId === identity.userId) return identity.role;
      const role = await roleNow(identity);
      if (role === "admin") return role;
      if (role === "organizer" && (await origins.organizerOf(eventId)) === identity.userId) return role;
      throw notFound();
    },
    async mustOrganize(eventId, { userId, role }) {
      const organizer = await origins.organizerOf(eventId);
      if (organizer === null || (organizer !== userId && role !== "admin")) throw notFound();
    },
  };
}
