import { formatMoney } from '@paystream/core';
import { fromMoneyMessage, type Money, type WalletUpdate } from '@paystream/core/contracts';
import type { Contact } from '../contacts/contacts.ts';
import { defineTemplate, html, type RenderedMessage, singleLine, type Template } from './template.ts';

interface Facts {
  readonly name: string;
  readonly order: string;
  readonly amount: string;
  readonly fee: string;
  readonly balance: string;
  readonly revenue: string;
  readonly profit: string;
  readonly sales: string;
}

const amountOf = (amount: Money | undefined): string => formatMoney(fromMoneyMessage(amount));

function factsOf(update: WalletUpdate, contact: Contact): Facts {
  const { wallet } = update;
  return {
    name: singleLine(contact.name ?? '') || 'there',
    order: singleLine(update.orderId),
    amount: amountOf(update.amount),
    fee: amountOf(update.fee),
    balance: amountOf(wallet?.balance),
    revenue: amountOf(wallet?.revenue),
    profit: amountOf(wallet?.profit),
    sales: String(wallet?.sales ?? 0n),
  };
}

function email(facts: Facts, subject: string, happened: string): RenderedMessage {
  const { name, fee, balance, revenue, profit, sales } = facts;
  return {
    subject,
    text:
      `Hello ${name},\n\n${happened}\nFee: ${fee}\n\n` +
      `Your wallet now:\n  Balance: ${balance}\n  Revenue: ${revenue}\n  Profit: ${profit}\n  Number of sales: ${sales}\n`,
    html:
      html`<p>Hello ${name},</p><p>${happened}<br>Fee: ${fee}</p>` +
      html`<table><caption>Your wallet now</caption><tr><th scope="row">Balance</th><td>${balance}</td></tr>` +
      html`<tr><th scope="row">Revenue</th><td>${revenue}</td></tr><tr><th scope="row">Profit</th><td>${profit}</td></tr>` +
      html`<tr><th scope="row">Number of sales</th><td>${sales}</td></tr></table>`,
  };
}

const totals = ({ balance, revenue, profit, sales }: Facts): string =>
  `Balance ${balance}, revenue ${revenue}, profit ${profit}, sales ${sales}.`;

/** Tells a merchant by email that a customer has paid. */
export const saleEmail: Template<WalletUpdate> = defineTemplate((update, contact) => {
  const facts = factsOf(update, contact);
  return email(facts, `Sale of ${facts.amount}`, `Order ${facts.order} was paid: ${facts.amount}.`);
});

/** Tells a merchant by phone message that a customer has paid. */
export const saleSms: Template<WalletUpdate> = defineTemplate((update, contact) => {
  const facts = factsOf(update, contact);
  return { text: `Sale of ${facts.amount}, order ${facts.order}. ${totals(facts)}` };
});

/** Tells a merchant by email that a customer was given money back. */
export const refundEmail: Template<WalletUpdate> = defineTemplate((update, contact) => {
  const facts = factsOf(update, contact);
  return email(facts, `Refund of ${facts.amount}`, `Order ${facts.order} was refunded: ${facts.amount}.`);
});

/** Tells a merchant by phone message that a customer was given money back. */
export const refundSms: Template<WalletUpdate> = defineTemplate((update, contact) => {
  const facts = factsOf(update, contact);
  return { text: `Refund of ${facts.amount}, order ${facts.order}. ${totals(facts)}` };
});
