-- Lists and the search of events look only at what they show, however many events there are: see docs/decisions/0022.
-- Adds two indexes in place of one, and reads all events for them: until that is done, no event can be made or changed
-- (a minute for a million). drizzle has no words for functions.

-- Thirty days of start times, counted from 1970, share their keys: a search looks at one such window after the other.
CREATE FUNCTION search_window(starts_at timestamptz) RETURNS int
	LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
	RETURN floor(date_part('epoch', starts_at) / 2592000)::int;--> statement-breakpoint
-- What an event can be found by: every three letters that follow one another, and what is left at the end, each behind
-- its window.
CREATE FUNCTION search_keys(starts_at timestamptz, name text, venue text, description text) RETURNS tsvector
	LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE COST 5000 AS $$
DECLARE
	nth text := to_char(public.search_window(starts_at), 'FM000000');
	letters text[] := string_to_array(lower(concat_ws(chr(10), name, venue, description)), NULL);
BEGIN
	RETURN array_to_tsvector(ARRAY(
		SELECT concat(nth, a, b, c) FROM unnest(letters, letters[2:], letters[3:]) AS three(a, b, c)
	));
END
$$;--> statement-breakpoint
-- The keys that whatever contains the words has in a window: those of their first letters, or all that begin with them
-- when they are fewer than three. What has them all may still not contain the words.
CREATE FUNCTION search_query(nth int, words text) RETURNS tsquery
	LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE COST 1000 AS $$
DECLARE
	letters text := left(lower(words), 18);
BEGIN
	RETURN (
		SELECT string_agg(
			format($key$'%s'%s$key$, regexp_replace(to_char(nth, 'FM000000') || substr(letters, i, 3), $of$['\\]$of$, '\&\&', 'g'),
				CASE WHEN length(letters) < 3 THEN ':*' END),
			' & '
		)
		FROM generate_series(1, greatest(length(letters) - 2, 1)) AS i
	)::tsquery;
END
$$;--> statement-breakpoint
CREATE INDEX "events_lasting_idx" ON "events" USING btree (width_bucket(date_part('epoch', ends_at - starts_at), '{3600,14400,57600,230400,921600,3686400,14745600,58982400}'::double precision[]),"starts_at","id","ends_at");--> statement-breakpoint
CREATE INDEX "events_search_idx" ON "events" USING gin (search_keys(starts_at, name, venue, description)) WITH (fastupdate=off);--> statement-breakpoint
-- The last of all: it keeps readers off, too, until the commit.
DROP INDEX "events_ends_at_idx";