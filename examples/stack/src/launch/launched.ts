/** In the environment of a service that `npm run services` started: the process id of its launcher. It is no setting. */
export const launchedBy = 'LAUNCHED_BY';

/** Whether `npm run services` started this process: its launcher tells it when to stop, and is at the other end of a channel. Others, such as process managers, open one too. */
export function isLaunched(): boolean {
  return process.channel !== undefined && process.env[launchedBy] !== undefined;
}
