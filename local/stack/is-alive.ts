/** Whether there is a process with this id. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // A process of another user is alive, though we may not signal it.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}
