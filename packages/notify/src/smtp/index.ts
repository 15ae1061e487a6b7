export { type SmtpChannel, type SmtpChannelOptions, smtpChannel } from './smtp-channel.ts';
