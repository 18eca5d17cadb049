// Lists and their pages.
import { z } from "zod";

export const PAGE_SIZE_DEFAULT = 20;
export const PAGE_SIZE_MAX = 100;
export const CURSOR_LENGTH_MAX = 500;

export const Limit = z
  .string()
  .regex(/^[1-9]\d{0,2}$/, `must be a whole number from 1 to ${PAGE_SIZE_MAX}`)
  .transform(Number)
  .refine((limit) => limit <= PAGE_SIZE_MAX, { error: `must be a whole number from 1 to ${PAGE_SIZE_MAX}` })
  .default(PAGE_SIZE_DEFAULT)
  // What is written in a query is text; what is meant is a number.
  .meta({ type: "integer", minimum: 1, maximum: PAGE_SIZE_MAX });

export const Cursor = z.string().min(1).max(CURSOR_LENGTH_MAX);

export const listOf = <Item extends z.ZodType>(item: Item, id: string) =>
  z
    .object({
      object: z.literal("list"),
      data: z.array(item),
      hasMore: z.boolean(),
      nextCursor: z.string().nullable(),
    })
    .meta({ id });

export interface Page<Item> {
  object: "list";
  data: Item[];
  hasMore: boolean;
  nextCursor: string | null;
}
