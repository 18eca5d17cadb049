// How long events last, in classes: lists of what is still going on, or over, look into each class apart.

/** Hours. An event of a class lasts less than its number here, and not less than the one before; the last class has no end. */
export const LASTING_HOURS = [1, 4, 16, 64, 256, 1_024, 4_096, 16_384];

/** The class of an event, counted from 0: as its index has it, and whoever wants to use that. */
export const LASTING = `width_bucket(date_part('epoch', ends_at - starts_at), '{${LASTING_HOURS.map((hours) => hours * 3_600).join(",")}}'::double precision[])`;
