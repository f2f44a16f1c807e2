// The signals that the server lives by: SIGTERM and SIGINT end it, SIGHUP has it read its files again.
#pragma once

namespace egress::server {

// Before any thread exists, so that all of them leave these signals to wait_for_signal(). SIGPIPE is ignored: a reader
// of our stdout or stderr may go away.
void take_signals();

// The next one of them. On one thread at a time.
int wait_for_signal();

}  // namespace egress::server
