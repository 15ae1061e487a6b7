export type { Channel, ChannelCapabilities, ChannelMessage, DeliveryContext, DeliveryOutcome } from './channel/port.ts';
export { type Contact, type ContactLookup, type ContactSource, type ContactsByOptions, contactsBy } from './contacts/contacts.ts';
export type { ChannelStatus } from './notifier/dispatcher.ts';
export { notifierMigrations } from './notifier/migrations.ts';
export { notificationRpcService } from './notifier/notification-rpc-service.ts';
export { createNotifier, type Notifier, type NotifierOptions } from './notifier/notifier.ts';
export type { DeliveryRetry } from './notifier/retry.ts';
export type { EventSubject, NotificationRule } from './notifier/rules.ts';
export {
  defineTemplate,
  escapeHtml,
  html,
  type RenderedMessage,
  singleLine,
  type Template,
  type TemplateOptions,
  type UnknownPolicy,
} from './template/template.ts';
export { refundEmail, refundSms, saleEmail, saleSms } from './template/wallet-templates.ts';
