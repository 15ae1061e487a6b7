import { create } from '@bufbuild/protobuf';
import { WalletUpdateKind, WalletUpdateSchema } from '@paystream/core/contracts';
import { describe, expect, it } from 'vitest';
import { html, singleLine } from './template.ts';
import { refundEmail, refundSms, saleEmail, saleSms } from './wallet-templates.ts';

const money = (units: bigint, currency = 'EUR') => ({ currency, units });
const update = create(WalletUpdateSchema, {
  operationId: 'op-1',
  merchantId: 'm-1',
  orderId: 'o-<1>',
  kind: WalletUpdateKind.SALE,
  amount: money(1_999n),
  fee: money(88n),
  wallet: { merchantId: 'm-1', balance: money(123_456n), revenue: money(200_000n), profit: money(190_000n), sales: 42n, version: 50n },
});
const saleIn = (currency: string) => ({ balance: money(1n, currency), revenue: money(1n, currency), profit: money(1n, currency) });
const contact = { name: 'Tom & "Jerry" <b>', addresses: {} };

describe('messages to merchants', () => {
  it('name the amount, the balance, the revenue, the profit and the number of sales', () => {
    for (const template of [saleEmail, saleSms, refundEmail, refundSms]) {
      const { text } = template.render(update, contact);
      for (const part of ['19.99 EUR', '1234.56 EUR', '2000.00 EUR', '1900.00 EUR', '42', 'o-<1>']) expect(text).toContain(part);
    }
  });

  it('say whether money came or went', () => {
    expect(saleEmail.render(update, contact).subject).toBe('Sale of 19.99 EUR');
    expect(refundEmail.render(update, contact).subject).toBe('Refund of 19.99 EUR');
    expect(saleSms.render(update, contact).text).toBe(
      'Sale of 19.99 EUR, order o-<1>. Balance 1234.56 EUR, revenue 2000.00 EUR, profit 1900.00 EUR, sales 42.',
    );
  });

  it('show amounts with the digits of their currency', () => {
    const yen = create(WalletUpdateSchema, { wallet: saleIn('JPY'), fee: money(0n, 'JPY'), amount: money(1_999n, 'JPY') });
    expect(saleEmail.render(yen, contact).subject).toBe('Sale of 1999 JPY');
  });

  it('let no name or id add markup', () => {
    const markup = saleEmail.render(update, contact).html ?? '';
    expect(markup).toContain('Tom &amp; &quot;Jerry&quot; &lt;b&gt;');
    expect(markup).toContain('o-&lt;1&gt;');
    expect(markup).not.toContain('<b>');
    expect(html`<p>${"<'>"}</p>`).toBe('<p>&lt;&#39;&gt;</p>');
  });

  it('let no name break a line', () => {
    expect(singleLine(' a\r\nBcc: b\u0000\u2029c ')).toBe('a Bcc: b c');
  });
});
