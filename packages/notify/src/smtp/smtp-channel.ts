import { PaystreamError } from '@paystream/core';
import type { Transporter } from 'nodemailer';
import type { Channel, ChannelMessage, DeliveryOutcome } from '../channel/port.ts';
import { singleLine } from '../template/template.ts';
import { isEmailAddress } from './address.ts';
import { outcomeOfSmtpError } from './smtp-error.ts';

interface CommonSmtpOptions {
  /** The sender's address. */
  readonly from: string;
  /** The sender's name. Default: none. */
  readonly fromName?: string;
  /** For messages to people. Default: `email`. */
  readonly name?: string;
}

/** Options of {@link smtpChannel}: the address of a server, or a transporter of the caller's. */
export type SmtpChannelOptions = CommonSmtpOptions &
  (
    | {
        /** `smtp://user:password@mail.example.org:587`, `smtps://...`; nodemailer's query options are understood. */
        readonly url: string;
        /** At most so many connections. Default: 5. */
        readonly maxConnections?: number;
        /** How long connecting, and each answer of the server, may take, in milliseconds. Default: 20,000. */
        readonly timeoutMs?: number;
      }
    | {
        /** From nodemailer's `createTransport`. The caller closes it. */
        readonly transporter: Transporter;
      }
  );

/** A channel that sends email. */
export interface SmtpChannel extends Channel, AsyncDisposable {
  open(): Promise<void>;
  check(): Promise<void>;
  close(): Promise<void>;
}

async function loadNodemailer(): Promise<typeof import('nodemailer')> {
  try {
    return await import('nodemailer');
  } catch (cause) {
    throw new PaystreamError('FAILED_PRECONDITION', 'smtpChannel needs the package "nodemailer": npm install nodemailer', {
      reason: 'PACKAGE_MISSING',
      details: { package: 'nodemailer' },
      cause,
    });
  }
}

/** A message id as RFC 5322 has them: the same for each try, so that mailboxes that look at it show the message once. */
function messageIdOf(deliveryId: string, from: string): string {
  return `<${deliveryId.replace(/[^A-Za-z0-9.-]/g, '_')}@${from.slice(from.lastIndexOf('@') + 1)}>`;
}

/**
 * A channel that sends email by SMTP, with nodemailer. SMTP cannot tell whether a message was sent before, so a connection
 * that breaks at the wrong moment leaves it unknown; the template then decides.
 *
 * Throws `INVALID_ARGUMENT` for a sender that is no address, and, once it is opened, `FAILED_PRECONDITION` / `PACKAGE_MISSING`
 * if nodemailer is not installed.
 *
 * @example
 * const email = smtpChannel({ url: 'smtp://127.0.0.1:1025', from: 'shop@example.org' });
 */
export function smtpChannel(options: SmtpChannelOptions): SmtpChannel {
  const { from, fromName, name = 'email' } = options;
  const server = 'url' in options ? hostOf(options.url) : 'of the given transporter';
  if (!isEmailAddress(from)) {
    throw new PaystreamError('INVALID_ARGUMENT', `from is "${from}"; it must be one email address`, { reason: 'INVALID_SENDER' });
  }
  const sender = { name: singleLine(fromName ?? ''), address: from };
  let transporter: Transporter | undefined = 'transporter' in options ? options.transporter : undefined;
  let opening: Promise<Transporter> | undefined;
  let closed = false;

  const make = async (): Promise<Transporter> => {
    if ('transporter' in options) return options.transporter;
    const { createTransport } = await loadNodemailer();
    const { url, maxConnections = 5, timeoutMs = 20_000 } = options;
    const limits = { connectionTimeout: timeoutMs, greetingTimeout: timeoutMs, socketTimeout: timeoutMs, dnsTimeout: timeoutMs };
    transporter = createTransport({ url, pool: true, maxConnections, ...limits });
    return transporter;
  };
  const open = (): Promise<Transporter> => {
    opening ??= make();
    return opening;
  };

  const mailOf = (message: ChannelMessage): object => ({
    from: sender,
    to: { name: '', address: message.recipient },
    envelope: { from, to: [message.recipient] },
    subject: singleLine(message.subject ?? ''),
    text: message.text,
    html: message.html,
    messageId: messageIdOf(message.deliveryId, from),
    disableFileAccess: true,
    disableUrlAccess: true,
  });

  const deliver = async (message: ChannelMessage): Promise<DeliveryOutcome> => {
    if (closed) throw new PaystreamError('UNAVAILABLE', 'the SMTP channel is closed', { reason: 'CLOSED' });
    if (!isEmailAddress(message.recipient))
      return { outcome: 'rejected', reason: `"${singleLine(message.recipient)}" is no email address` };
    const mailer = await open();
    try {
      const sent: { readonly response?: string | undefined } = await mailer.sendMail(mailOf(message));
      return { outcome: 'delivered', detail: sent.response };
    } catch (error) {
      return outcomeOfSmtpError(error, server);
    }
  };

  const close = async (): Promise<void> => {
    closed = true;
    if ('url' in options) transporter?.close();
  };

  return {
    name,
    capabilities: { idempotent: false },
    open: async () => {
      await open();
    },
    deliver,
    check: async () => {
      const mailer = await open();
      try {
        await mailer.verify();
      } catch (cause) {
        const said = cause instanceof Error ? cause.message : String(cause);
        throw new PaystreamError('UNAVAILABLE', `the SMTP server ${server} takes no mail: ${said}`, { reason: 'SMTP_UNAVAILABLE', cause });
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** The server's name without the credentials that the address may hold. */
function hostOf(url: string): string {
  try {
    return new URL(url).host;
  } catch (cause) {
    throw new PaystreamError('INVALID_ARGUMENT', 'url is no address such as smtp://mail.example.org:587', {
      reason: 'INVALID_SMTP_URL',
      cause,
    });
  }
}
