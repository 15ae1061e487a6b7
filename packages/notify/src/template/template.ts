import type { Contact } from '../contacts/contacts.ts';

/** What a template makes of an event. */
export interface RenderedMessage {
  /** One line; line breaks and control characters become blanks. */
  readonly subject?: string | undefined;
  readonly text: string;
  /** The same with markup. Use {@link html} so that nothing in the event can add markup of its own. */
  readonly html?: string | undefined;
}

/** What happens when a channel that is not idempotent gave no clear answer, so that the message may have been sent or not. */
export type UnknownPolicy =
  /** It is not sent again: nobody is told twice, somebody may not be told. */
  | 'at-most-once'
  /** It is sent again: somebody may be told twice. */
  | 'at-least-once';

/** Turns events into messages. */
export interface Template<T> {
  /** Makes the message for one contact. Must always make the same of the same. Throwing sends the event to the dead-letter topic. */
  readonly render: (event: T, contact: Contact) => RenderedMessage;
  readonly onUnknown: UnknownPolicy;
}

/** Options of {@link defineTemplate}. */
export interface TemplateOptions {
  /** Default: `at-least-once`. */
  readonly onUnknown?: UnknownPolicy;
}

/**
 * Makes a template of a function.
 *
 * @example
 * const welcome = defineTemplate((signup: Signup, contact) => ({ subject: 'Welcome', text: `Hello ${contact.name ?? 'there'}!` }));
 */
export function defineTemplate<T>(render: (event: T, contact: Contact) => RenderedMessage, options: TemplateOptions = {}): Template<T> {
  return { render, onUnknown: options.onUnknown ?? 'at-least-once' };
}

const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** A text as HTML shows it. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character] ?? character);
}

/**
 * Markup in which every inserted value is escaped.
 *
 * @example
 * html`<p>Hello ${contact.name}</p>`
 */
export function html(strings: TemplateStringsArray, ...values: readonly (string | number | bigint)[]): string {
  return strings.reduce((markup, part, index) => `${markup}${escapeHtml(String(values[index - 1] ?? ''))}${part}`);
}

/** A text as one line: line breaks and control characters, which could add headers to an email, become blanks. */
export function singleLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ').trim();
}
