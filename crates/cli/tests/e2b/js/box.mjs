/** The sandbox under test, and what the checks want to know beside it. */

import assert from "node:assert/strict";
import { setTimeout as pause } from "node:timers/promises";
import * as sdk from "e2b";

/** How long a condition may take that is sure to come, in milliseconds. */
const PATIENCE = 15_000;
/** How often a condition is looked at, in milliseconds. */
const INTERVAL = 20;

let number = 0;

/**
 * Looks until there is an answer.
 *
 * @template T
 * @param {string} what
 * @param {() => T | Promise<T>} look
 * @returns {Promise<NonNullable<T>>}
 */
export async function until(what, look) {
  const deadline = performance.now() + PATIENCE;
  while (performance.now() < deadline) {
    const answer = await look();
    if (answer) {
      return answer;
    }
    await pause(INTERVAL);
  }
  throw new Error(`it did not come to this: ${what}`);
}

/**
 * Makes a call that has to fail with an error of that class of the SDK's.
 *
 * @param {keyof typeof sdk} kind
 * @param {() => Promise<unknown>} call
 * @returns {Promise<any>} the error
 */
export async function raises(kind, call) {
  let value;
  try {
    value = await call();
  } catch (error) {
    assert.ok(error instanceof sdk[kind], `${kind} was due, not ${error?.name}: ${error?.message}`);
    return error;
  }
  throw new Error(`${kind} was due, but the call returned ${JSON.stringify(value)}`);
}

/** What was heard of a command or a terminal so far, of all streams together. */
export class Heard {
  text = "";
  #decoder = new TextDecoder();

  /** @param {string | Uint8Array} chunk */
  take = (chunk) => {
    this.text += typeof chunk === "string" ? chunk : this.#decoder.decode(chunk, { stream: true });
  };

  /**
   * Listens until that was said.
   *
   * @param {string} text
   */
  async until(text) {
    await until(`"${text}" in "${this.text}"`, () => this.text.includes(text));
  }
}

/** A sandbox. */
export class Box {
  home = process.env.CHECK_HOME;
  user = process.env.CHECK_USER;

  /** @param {import("e2b").Sandbox} sandbox */
  constructor(sandbox) {
    this.sandbox = sandbox;
    this.commands = sandbox.commands;
    this.files = sandbox.files;
    this.pty = sandbox.pty;
    this.git = sandbox.git;
  }

  /** A path in the home directory that no other check uses. */
  path(name = "file") {
    number += 1;
    return `${this.home}/${name}-${number}`;
  }

  /** A new directory. */
  async folder(name = "folder") {
    const path = this.path(name);
    assert.equal(await this.files.makeDir(path), true);
    return path;
  }

  /** The standard output of a command that succeeds. */
  async shell(command, options = {}) {
    return (await this.commands.run(command, options)).stdout;
  }

  /** A command that waits for a file. */
  untilThere(path) {
    return `until test -e ${path}; do sleep 0.01; done`;
  }

  /** The handle of a command in the background. */
  async background(command, options = {}) {
    return this.commands.run(command, { ...options, background: true });
  }

  /** The handle of a command in the background, and what it says. */
  async hear(command, options = {}) {
    const heard = new Heard();
    const handle = await this.background(command, { ...options, onStdout: heard.take, onStderr: heard.take });
    return { handle, heard };
  }

  /** The numbers of the commands that run. */
  async pids() {
    return (await this.commands.list()).map((one) => one.pid);
  }

  /** Waits until a command has ended. */
  async hasEnded(pid) {
    await until(`process ${pid} ends`, async () => !(await this.pids()).includes(pid));
  }
}

/** All of a stream. */
export async function bytesOf(stream) {
  const chunks = [];
  for await (const chunk of stream) {
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The last part of a path. */
export function nameOf(path) {
  return path.slice(path.lastIndexOf("/") + 1);
}
