/**
 * Finds the address of the host's gRPC server, such as `http://127.0.0.1:50051`, in the arguments with which the host
 * started this worker. Undefined if they have none, because no Functions host started this process.
 */
export function hostAddress(args: readonly string[]): string | undefined {
  const uri = valueOf(args, "--functions-uri");
  if (uri !== undefined) return URL.canParse(uri) ? new URL(uri).origin : undefined;
  // Older hosts give these two instead.
  const [host, port] = [valueOf(args, "--host"), valueOf(args, "--port")];
  return host === undefined || port === undefined ? undefined : `http://${host}:${port}`;
}

function valueOf(args: readonly string[], name: string): string | undefined {
  const index = args.indexOf(name);
  if (index >= 0) return args[index + 1];
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
}
