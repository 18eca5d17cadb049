-- The last guard of "no two active reservations of a user at overlapping times, in whatever events": where two
-- workers should ever decide at once, the second commit fails. drizzle has no words for exclusion constraints.
CREATE EXTENSION IF NOT EXISTS btree_gist;
--> statement-breakpoint
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_no_overlap"
	EXCLUDE USING gist ("user_id" WITH =, "during" WITH &&)
	WHERE (exclusive AND status IN ('held', 'purchased'));
