// Counts the requests that wait for a command to end, so that waiting stays cheap for everybody else.
import { Places } from "./places.ts";

export const LONG_POLLS_PER_USER_MAX = 20;
export const LONG_POLLS_MAX = 10_000;

export class LongPolls extends Places {
  constructor() {
    super({ perUser: LONG_POLLS_PER_USER_MAX, inAll: LONG_POLLS_MAX });
  }
}
