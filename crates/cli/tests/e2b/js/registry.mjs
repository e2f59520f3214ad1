/** The list of checks. */

/**
 * One row of docs/e2b.md, or several that can only be checked together.
 *
 * @typedef {{names: string[], run: (box: import("./box.mjs").Box) => Promise<void>, modes: string[]}} Check
 */

/** @type {Check[]} */
export const CHECKS = [];

/**
 * Adds a check.
 *
 * @param {string | string[]} names the row's name in Python's spelling, so that the SDKs share their rows
 * @param {Check["run"]} run
 * @param {string[]} modes in which modes it can be made
 */
export function check(names, run, modes = ["debug", "url"]) {
  CHECKS.push({ names: [names].flat(), run, modes });
}
