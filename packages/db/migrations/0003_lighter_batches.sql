-- What a batch pays for each row, halved: four foreign keys whose promise the batch's own statements keep, an outcome
-- that is kept as it was worded, and an exclusion constraint over a number in place of a text. (Two users with the
-- same number would exclude each other's overlapping reservations: see docs/decisions/0010.)
ALTER TABLE "outcomes" DROP CONSTRAINT "outcomes_event_id_events_id_fk";--> statement-breakpoint
ALTER TABLE "outcomes" DROP CONSTRAINT "outcomes_user_id_users_id_fk";--> statement-breakpoint
ALTER TABLE "reservations" DROP CONSTRAINT "reservations_user_id_users_id_fk";--> statement-breakpoint
ALTER TABLE "reservations" DROP CONSTRAINT "reservations_slot_of_event_fk";--> statement-breakpoint
ALTER TABLE "outcomes" ALTER COLUMN "outcome" SET DATA TYPE json;--> statement-breakpoint
ALTER TABLE "reservations" DROP CONSTRAINT "reservations_no_overlap";--> statement-breakpoint
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_no_overlap"
	EXCLUDE USING gist (hashtextextended("user_id", 0) WITH =, "during" WITH &&)
	WHERE (exclusive AND status IN ('held', 'purchased'));
