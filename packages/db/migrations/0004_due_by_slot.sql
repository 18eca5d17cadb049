-- Due holds are found slot by slot, through the index that also tells a slot's earliest release: one index less to be
-- written for each hold. (See docs/decisions/0010.)
DROP INDEX "reservations_due_idx";
