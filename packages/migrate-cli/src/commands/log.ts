import type { CommandModule } from '../commands.ts';
import { exit } from '../exit.ts';
import { outputOptions, placeOptions } from '../options.ts';
import type { ServiceLog } from '../render/document.ts';
import { selectServices } from '../selection.ts';

export const command: CommandModule = {
  help: 'From the append-only log beside the history: every up, down, failure and repair, newest first.',
  options: [...placeOptions, 'limit', ...outputOptions],
  examples: [
    ['migrate log', 'the last 50 entries of each service'],
    ['migrate log --service patient --limit 5', 'the last five of one'],
    ['migrate log --json', 'for programs'],
  ],
  async run(invocation) {
    const { options, output } = invocation;
    const { services } = await selectServices(invocation);
    const logs = await Promise.all(
      services.map(async (service): Promise<ServiceLog> => {
        const connection = await service.connection();
        return { service: service.name, connection, entries: await service.migrator().log(options.limit) };
      }),
    );
    if (options.json === true) {
      const { logDocument } = await import('../render/document.ts');
      output.document(logDocument(logs));
    } else {
      const { renderLog } = await import('../render/log.ts');
      output.line(logs.map((one) => renderLog(one, output.colours)).join('\n\n'));
    }
    return exit.done;
  },
};
