import type { Broker } from '@paystream/core';
import type { Database } from '@paystream/core/sql';
import type { Channel } from '@paystream/notify';
import type { Gateway } from '@paystream/payment';

/** What is put around the ports of a process before its services get them. Each gives what is used in place of the port. */
export interface PortDecorators {
  broker(broker: Broker): Broker;
  database(database: Database): Database;
  gateway(gateway: Gateway): Gateway;
  channel(channel: Channel): Channel;
}

/** Leaves every port as it is. */
export const undecorated: PortDecorators = {
  broker: (broker) => broker,
  database: (database) => database,
  gateway: (gateway) => gateway,
  channel: (channel) => channel,
};
