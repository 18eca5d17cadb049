// Times on their way in and out of SQL: whole milliseconds since 1970, as the rules count them.

/** SQL that reads a timestamp column. */
export const ms = (column: string): string => `round(date_part('epoch', ${column}) * 1000)`;
/** SQL that makes a timestamp. */
export const time = (value: string): string => `to_timestamp(${value} / 1000.0)`;
