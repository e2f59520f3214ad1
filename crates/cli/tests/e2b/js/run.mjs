/**
 * Drives an agent by the official SDK, and prints one line of JSON a check.
 *
 *     node run.mjs debug|url
 */

import { setTimeout as pause } from "node:timers/promises";
import { Sandbox } from "e2b";
import { Box } from "./box.mjs";
import { CHECKS } from "./registry.mjs";
import "./sandbox_checks.mjs";
import "./command_checks.mjs";
import "./handle_checks.mjs";
import "./terminal_checks.mjs";
import "./file_checks.mjs";
import "./watch_checks.mjs";
import "./git_checks.mjs";

/** No check takes that long, in milliseconds. */
const LONGEST = 20_000;

/** What went wrong, and on which line of a check. */
function fault(error) {
  const place = /(\w+_checks\.mjs:\d+)/.exec(error?.stack ?? "")?.[1];
  return `${place ? `${place}: ` : ""}${error?.name}: ${error?.message}`;
}

/**
 * Says how a check went.
 *
 * @param {import("./registry.mjs").Check} one
 */
function say(one, finding) {
  for (const name of one.names) {
    console.log(JSON.stringify({ check: name, ...finding }));
  }
}

/** Makes one check and says how it went. */
async function attempt(one, box) {
  const giveUp = new AbortController();
  const tooLong = pause(LONGEST, undefined, { signal: giveUp.signal }).then(
    () => Promise.reject(new Error(`not done after ${LONGEST} ms`)),
    () => {},
  );
  try {
    await Promise.race([one.run(box), tooLong]);
    say(one, { ok: true });
  } catch (error) {
    say(one, { ok: false, error: fault(error) });
  } finally {
    giveUp.abort();
  }
}

const mode = process.argv[2];
const box = new Box(await Sandbox.create());
for (const one of CHECKS) {
  if (one.modes.includes(mode)) {
    await attempt(one, box);
  } else {
    say(one, { left_out: true });
  }
}
await box.sandbox.kill();
// A call that was given up on must not keep the process.
process.exit(0);
