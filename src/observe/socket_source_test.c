#include "base/testnet.h"
#include "observe/proc_tcp.h"
#include "tcp/state.h"

int main(void) { return 0; }
