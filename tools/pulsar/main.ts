// A broker for people: `npm run pulsar -- start | stop | status`.
import { portOf, runServerCommand } from '../servers/server-command.ts';
import { startPulsar } from './broker.ts';
import { cacheFolder, pulsarVersion } from './jars.ts';

await runServerCommand(process.argv.slice(2), {
  title: `Pulsar ${pulsarVersion}`,
  help: `Usage: npm run pulsar -- start [--port 6650] [--web-port 8080] [--data FOLDER] [--set name=value]...
       npm run pulsar -- stop [--delete]
       npm run pulsar -- status

Starts Apache Pulsar ${pulsarVersion} (broker and bookie in one process) on this machine in the background. Its data stays
from one start to the next; --delete throws it away. Needs Java 17 with Maven, or Docker.`,
  folder: cacheFolder(),
  data: 'data',
  options: { port: '6650', 'web-port': '8080' },
  async start(values, directory, config) {
    const ports = { broker: portOf('port', values.port), web: portOf('web-port', values['web-port']) };
    const broker = await startPulsar({ ports, directory, config, detached: true });
    return { pid: broker.pid, directory: broker.directory, shown: { service: broker.serviceUrl, admin: broker.adminUrl } };
  },
});
