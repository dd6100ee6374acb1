import { run } from './cli/program.ts';

// Started by the launcher under another Node: when the launcher is gone, killed even, the channel to it closes.
if (process.connected) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  // After the listener, which would keep the process alive.
  process.channel?.unref();
}

// `huiju user list | head`: a reader that has seen enough is no error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

await run(process.argv.slice(2));
