-- A batch commits in the same round trip in which it writes: what it wrote must be counted here, where a wrong count
-- can still stop the commit.
CREATE FUNCTION expect_rows(seen bigint, expected bigint) RETURNS bigint
	LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
	IF seen <> expected THEN
		RAISE EXCEPTION 'a batch wrote % rows, not %', seen, expected USING ERRCODE = 'HF001';
	END IF;
	RETURN seen;
END
$$;
