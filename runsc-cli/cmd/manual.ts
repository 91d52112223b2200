// SPDX-License-Identifier: Apache-2.0

/**
 * The text of `--help`, laid out as a manual page (and as runc's is: scripts read its first lines).
 */
import { describeOptions, type Option } from './arguments.ts';
import { GLOBAL_OPTIONS } from './global_flags.ts';

export interface Manual {
  readonly name: string;
  readonly summary: string;
  /** What follows the name in the usage line; several lines when there are several ways. */
  readonly usage: readonly string[];
  /** Paragraphs. */
  readonly text: string;
  readonly options: readonly Option[];
  /** Sections after the options: title and text. */
  readonly more?: readonly (readonly [string, string])[];
}

const WIDTH = 100;
const INDENT = '   ';

/** The whole page. */
export function manual({ name, summary, usage, text, options, more = [] }: Manual): string {
  const command = name === '' ? 'runsc-ts' : `runsc-ts ${name}`;
  const sections: [string, string][] = [
    ['NAME', indented(`${command} - ${summary}`)],
    ['USAGE', usage.map((line) => indented(`${command} ${line}`.trim())).join('\n')],
  ];
  if (text !== '') sections.push(['DESCRIPTION', wrapped(text)]);
  if (options.length > 0) sections.push(['OPTIONS', indented(describeOptions(options))]);
  for (const [title, body] of more) sections.push([title, body.includes('\n') ? indented(body) : wrapped(body)]);
  return `${sections.map(([title, body]) => `${title}:\n${body}\n`).join('\n')}`;
}

function indented(text: string): string {
  return text.split('\n').map((line) => (line === '' ? '' : INDENT + line)).join('\n');
}

/** Paragraphs, broken at spaces. */
function wrapped(text: string): string {
  return text.split('\n\n').map((paragraph) => {
    const lines = [''];
    for (const word of paragraph.split(/\s+/)) {
      const last = lines.at(-1) as string;
      if (last !== '' && last.length + word.length + 1 > WIDTH) lines.push(word);
      else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    }
    return indented(lines.join('\n'));
  }).join('\n\n');
}

/** The page of the tool itself. */
export function mainUsage(verbs: readonly { readonly name: string; readonly summary: string }[]): string {
  return manual({
    name: '', summary: 'Open Container Initiative runtime that sandboxes containers with a user-space kernel', usage: ['[FLAGS] COMMAND [ARGS]'],
    text: "Runs unmodified Linux programs and OCI bundles on a Linux kernel of its own that runs in user space. `runsc-ts help COMMAND` describes a command.",
    options: GLOBAL_OPTIONS,
    more: [['COMMANDS', verbs.map((v) => `${v.name.padEnd(11)} ${v.summary}`).join('\n')]],
  });
}
