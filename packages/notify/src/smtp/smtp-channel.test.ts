import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { createTransport } from 'nodemailer';
import { SMTPServer } from 'smtp-server';
import { describe, expect, it } from 'vitest';
import type { ChannelMessage } from '../channel/port.ts';
import { smtpChannel } from './smtp-channel.ts';

const message: ChannelMessage = {
  deliveryId: 'event-1:email:AbC_123',
  eventId: 'event-1',
  recipient: 'merchant@example.org',
  subject: 'Sale of 19.99 EUR',
  text: 'Order o-1 was paid.',
  html: '<p>Order o-1 was paid.</p>',
  orderId: 'o-1',
  merchantId: 'm-1',
};
const context = { signal: new AbortController().signal };

interface Mail {
  readonly to: readonly string[];
  readonly content: string;
}

/** A real SMTP server that the test tells how to answer. */
async function mailServer(options: { readonly onData?: (content: string) => number | 'hang' | 'cut'; readonly refuse?: number } = {}) {
  const mails: Mail[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    onRcptTo: (_address, _session, done) => {
      if (options.refuse === undefined) return done();
      done(Object.assign(new Error('no such user here'), { responseCode: options.refuse }));
    },
    onData: (stream, session, done) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const content = Buffer.concat(chunks).toString();
        const answer = options.onData?.(content) ?? 250;
        if (answer === 'hang') return;
        if (answer === 'cut') {
          for (const connection of (server as unknown as { connections: Set<{ _socket: { destroy(): void } }> }).connections)
            connection._socket.destroy();
          return;
        }
        if (answer >= 400) return done(Object.assign(new Error('not now'), { responseCode: answer }));
        mails.push({ to: session.envelope.rcptTo.map((recipient) => recipient.address), content });
        done();
      });
    },
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const { port } = server.server.address() as AddressInfo;
  return {
    mails,
    url: `smtp://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

describe('the SMTP channel', () => {
  it('sends a message as it was rendered, with an id of its own, to one person', async () => {
    await using server = await mailServer();
    await using channel = smtpChannel({ url: server.url, from: 'shop@example.org', fromName: 'The Shop' });
    await channel.open();
    await channel.check();
    expect(await channel.deliver(message, context)).toMatchObject({ outcome: 'delivered', detail: expect.stringContaining('250') });
    const [mail] = server.mails;
    expect(mail?.to).toEqual(['merchant@example.org']);
    expect(mail?.content).toContain('Message-ID: <event-1_email_AbC_123@example.org>');
    expect(mail?.content).toContain('Subject: Sale of 19.99 EUR');
    expect(mail?.content).toContain('From: The Shop <shop@example.org>');
    expect(mail?.content).toContain('Order o-1 was paid.');
  });

  it('lets nobody add a header or a recipient', async () => {
    await using server = await mailServer();
    await using channel = smtpChannel({ url: server.url, from: 'shop@example.org' });
    await channel.deliver({ ...message, subject: 'Hello\r\nBcc: all@example.org' }, context);
    expect(server.mails[0]?.to).toEqual(['merchant@example.org']);
    expect(server.mails[0]?.content).not.toMatch(/^Bcc:/m);
    for (const recipient of ['a@example.org, b@example.org', 'a@example.org\r\nBcc: b@example.org', 'A <a@example.org>', '', 'nobody']) {
      expect(await channel.deliver({ ...message, recipient }, context)).toMatchObject({ outcome: 'rejected' });
    }
    expect(server.mails).toHaveLength(1);
  });

  it('does not try again what the server refuses for good', async () => {
    await using server = await mailServer({ refuse: 550 });
    await using channel = smtpChannel({ url: server.url, from: 'shop@example.org' });
    expect(await channel.deliver(message, context)).toEqual({ outcome: 'rejected', reason: expect.stringContaining('no such user') });
  });

  it('tries again later what the server puts off', async () => {
    await using server = await mailServer({ onData: () => 451 });
    await using channel = smtpChannel({ url: server.url, from: 'shop@example.org' });
    await expect(channel.deliver(message, context)).rejects.toMatchObject({ code: 'ABORTED', reason: 'SMTP_DEFERRED' });
  });

  it.each(['cut', 'hang'] as const)(
    'says that it does not know when the connection breaks after the message was sent (%s)',
    async (how) => {
      await using server = await mailServer({ onData: () => how });
      await using channel = smtpChannel({ url: server.url, from: 'shop@example.org', timeoutMs: 300 });
      await expect(channel.deliver(message, context)).rejects.toMatchObject({ code: 'INTERNAL', reason: 'SMTP_UNKNOWN' });
    },
  );

  it('says that nothing was sent when no server is there, or it says that it closes', async () => {
    const gone = createServer().listen(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address() as AddressInfo;
    await new Promise((resolve) => gone.close(resolve));
    await using nobody = smtpChannel({ url: `smtp://user:secret@127.0.0.1:${port}`, from: 'shop@example.org' });
    const failed = nobody.deliver(message, context);
    await expect(failed).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'SMTP_UNAVAILABLE' });
    await expect(failed).rejects.not.toThrow('secret');
    await expect(nobody.check()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await using closing = await mailServer({ refuse: 421 });
    await using channel = smtpChannel({ url: closing.url, from: 'shop@example.org' });
    await expect(channel.deliver(message, context)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('uses a transporter of the caller’s and leaves it open', async () => {
    await using server = await mailServer();
    const transporter = createTransport({ url: server.url, pool: true });
    const channel = smtpChannel({ transporter, from: 'shop@example.org' });
    await channel.deliver(message, context);
    await channel.close();
    expect(await transporter.verify()).toBe(true);
    transporter.close();
  });

  it('refuses a sender that is no address and a url that is none', () => {
    expect(() => smtpChannel({ url: 'smtp://x', from: 'a, b' })).toThrow(expect.objectContaining({ reason: 'INVALID_SENDER' }));
    expect(() => smtpChannel({ url: 'nonsense', from: 'a@example.org' })).toThrow(expect.objectContaining({ reason: 'INVALID_SMTP_URL' }));
  });
});
