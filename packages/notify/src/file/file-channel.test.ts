import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { ChannelMessage } from '../channel/port.ts';
import { fileChannel } from './file-channel.ts';

const root = mkdtempSync(join(tmpdir(), 'paystream-file-'));
let folders = 0;
const newFolder = (): string => {
  folders += 1;
  return join(root, String(folders));
};
afterAll(() => rmSync(root, { recursive: true, force: true }));

const message = (id: string, text = `text of ${id}`): ChannelMessage => ({
  deliveryId: id,
  eventId: `event-${id}`,
  recipient: 'a@example.org',
  text,
  orderId: 'o',
  merchantId: 'm',
});
const messages = (from: number, to: number): ChannelMessage[] => Array.from({ length: to - from }, (_, i) => message(`d-${from + i}`));

function idsIn(directory: string): string[] {
  return readdirSync(directory).flatMap((file) =>
    readFileSync(join(directory, file), 'utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { deliveryId: string }).deliveryId),
  );
}
const idsOf = (sent: readonly ChannelMessage[]): string[] => sent.map(({ deliveryId }) => deliveryId);

describe('the file channel', () => {
  it('writes each message once, whole, in order', async () => {
    const directory = newFolder();
    await using channel = fileChannel({ directory, name: 'email' });
    await channel.deliver({ ...message('d-0'), subject: 'Grüße', html: '<p>', text: 'two\nlines' });
    await Promise.all([channel.deliverAll(messages(1, 50)), channel.deliverAll(messages(40, 60)), channel.deliver(message('d-5'))]);
    expect(idsIn(directory)).toEqual(idsOf(messages(0, 60)));
    expect(JSON.parse(readFileSync(channel.path, 'utf8').split('\n')[0] ?? '')).toEqual({
      deliveryId: 'd-0',
      eventId: 'event-d-0',
      to: 'a@example.org',
      orderId: 'o',
      merchantId: 'm',
      subject: 'Grüße',
      text: 'two\nlines',
      html: '<p>',
    });
  });

  it('does not write again after a crash what was written before it, and cuts off a torn line', async () => {
    const directory = newFolder();
    const dead = fileChannel({ directory, name: 'sms' });
    await dead.deliverAll([message('with "quotes" \\ ü'), ...messages(0, 100)]);
    appendFileSync(dead.path, '{"deliveryId":"d-100","text":"torn');
    await using channel = fileChannel({ directory, name: 'sms' });
    await channel.deliverAll([message('with "quotes" \\ ü'), ...messages(50, 150)]);
    expect(idsIn(directory)).toEqual(['with "quotes" \\ ü', ...idsOf(messages(0, 150))]);
    await dead.close();
  });

  it('finds the ids of lines longer than it reads at once', async () => {
    const directory = newFolder();
    const long = Array.from({ length: 5 }, (_, i) => message(`long-${i}`, 'ü'.repeat(700_000 + i)));
    const dead = fileChannel({ directory, name: 'email', fsync: false });
    await dead.deliverAll(long);
    await dead.close();
    await using channel = fileChannel({ directory, name: 'email', fsync: false });
    await channel.deliverAll(long);
    expect(idsIn(directory)).toEqual(idsOf(long));
  });

  it('remembers across the files that it has left, and in bounded memory', async () => {
    const directory = newFolder();
    const first = fileChannel({ directory, name: 'email', maxBytes: 2_000, fsync: false });
    for (let i = 0; i < 100; i += 1) await first.deliver(message(`d-${i}`));
    await first.close();
    expect(readdirSync(directory).length).toBeGreaterThan(5);
    await using channel = fileChannel({ directory, name: 'email', maxBytes: 2_000, fsync: false, remembered: 50 });
    await channel.deliverAll(messages(50, 100));
    expect(idsIn(directory)).toHaveLength(100);
    await channel.deliverAll(messages(0, 10));
    expect(idsIn(directory)).toHaveLength(110);
  });

  it.runIf(existsSync('/dev/full'))('says that the disk is full, and loses and doubles nothing once it is not', async () => {
    const directory = newFolder();
    mkdirSync(directory);
    await using channel = fileChannel({ directory, name: 'email' });
    symlinkSync('/dev/full', channel.path);
    await expect(channel.deliverAll(messages(0, 3))).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'MESSAGE_FILE_UNWRITABLE' });
    unlinkSync(channel.path);
    await channel.deliverAll(messages(0, 3));
    expect(idsIn(directory)).toEqual(idsOf(messages(0, 3)));
  });

  it('says that it knows its own file alone, for that of a replica is another one', () => {
    expect(fileChannel({ directory: newFolder(), name: 'sms' }).capabilities).toEqual({ idempotent: 'alone', batch: true });
  });

  it('says at once that the folder cannot be written', async () => {
    await using channel = fileChannel({ directory: '/dev/null/mail', name: 'email' });
    await expect(channel.open()).rejects.toMatchObject({ code: 'UNAVAILABLE', reason: 'MESSAGE_FILE_UNWRITABLE' });
    await expect(channel.check()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
