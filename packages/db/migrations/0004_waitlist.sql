-- Waitlists, and what organizers' commands and explanations need. Adds only; the one column that tells of the past
-- (`used`) is filled from the reservations.
CREATE TABLE "waitlist_entries" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"event_id" text COLLATE "C" NOT NULL,
	"slot_id" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"quantity" integer NOT NULL,
	"status" text NOT NULL,
	"seq" integer NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"offered_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	"end_reason" text,
	"recheck_at" timestamp (3) with time zone,
	"last_passed_over" json,
	CONSTRAINT "waitlist_entries_quantity_positive" CHECK (quantity > 0 AND seq > 0),
	CONSTRAINT "waitlist_entries_status_known" CHECK (status IN ('waiting', 'offered', 'fulfilled', 'declined', 'lapsed', 'left', 'closed')),
	CONSTRAINT "waitlist_entries_end_reason_known" CHECK (end_reason IN ('purchased', 'user', 'organizer', 'deadline', 'event-cancelled', 'slot-over', 'cutoff', 'capacity')),
	CONSTRAINT "waitlist_entries_offered_has_time" CHECK (status <> 'offered' OR offered_at IS NOT NULL),
	CONSTRAINT "waitlist_entries_ended_has_reason" CHECK ((status NOT IN ('waiting', 'offered')) = (ended_at IS NOT NULL AND end_reason IS NOT NULL)),
	CONSTRAINT "waitlist_entries_parked_waits" CHECK (recheck_at IS NULL OR status = 'waiting')
);
--> statement-breakpoint
CREATE TABLE "waitlist_stretches" (
	"slot_id" text COLLATE "C" NOT NULL,
	"stretch" integer NOT NULL,
	"waiting" integer NOT NULL,
	CONSTRAINT "waitlist_stretches_slot_id_stretch_pk" PRIMARY KEY("slot_id","stretch"),
	CONSTRAINT "waitlist_stretches_counts" CHECK (waiting >= 0)
);
--> statement-breakpoint
ALTER TABLE "events" ADD COLUMN "winding_down" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "outcomes" ADD COLUMN "seen_available" integer;--> statement-breakpoint
ALTER TABLE "outcomes" ADD COLUMN "seen_waiting" integer;--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "used" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "waiting" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "parked" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "last_seq" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "passers" integer[];--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "collecting_for" integer;--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "collecting_until" timestamp (3) with time zone;--> statement-breakpoint
ALTER TABLE "slots" ADD COLUMN "promote_at" timestamp (3) with time zone;--> statement-breakpoint
CREATE UNIQUE INDEX "waitlist_entries_slot_seq_key" ON "waitlist_entries" USING btree ("slot_id","seq");--> statement-breakpoint
CREATE UNIQUE INDEX "waitlist_entries_one_live_key" ON "waitlist_entries" USING btree ("user_id","slot_id") WHERE status IN ('waiting', 'offered');--> statement-breakpoint
CREATE INDEX "waitlist_entries_place_idx" ON "waitlist_entries" USING btree ("slot_id","seq") WHERE status = 'waiting';--> statement-breakpoint
CREATE INDEX "waitlist_entries_size_idx" ON "waitlist_entries" USING btree ("slot_id","quantity") WHERE status = 'waiting';--> statement-breakpoint
CREATE INDEX "waitlist_entries_turn_idx" ON "waitlist_entries" USING btree ("slot_id","seq") WHERE status = 'waiting' AND recheck_at IS NULL;--> statement-breakpoint
CREATE INDEX "waitlist_entries_recheck_idx" ON "waitlist_entries" USING btree ("recheck_at") WHERE recheck_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "waitlist_entries_parked_idx" ON "waitlist_entries" USING btree ("user_id") WHERE recheck_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "waitlist_entries_user_id_idx" ON "waitlist_entries" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "events_winding_down_idx" ON "events" USING btree ("id") WHERE winding_down;--> statement-breakpoint
CREATE INDEX "reservations_unpaid_idx" ON "reservations" USING btree ("user_id","ended_at") WHERE status = 'expired' AND origin = 'public';--> statement-breakpoint
CREATE INDEX "slots_promote_at_idx" ON "slots" USING btree ("promote_at") WHERE promote_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "slots_waiting_idx" ON "slots" USING btree ("starts_at") WHERE waiting > 0;--> statement-breakpoint
ALTER TABLE "slots" ADD CONSTRAINT "slots_waiting_counts" CHECK (parked >= 0 AND parked <= waiting AND waiting <= last_seq);--> statement-breakpoint
ALTER TABLE "slots" ADD CONSTRAINT "slots_collecting_has_end" CHECK ((collecting_for IS NULL) = (collecting_until IS NULL));--> statement-breakpoint
UPDATE "slots" SET "used" = true WHERE "id" IN (SELECT "slot_id" FROM "reservations");
