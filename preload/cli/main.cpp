#include "preload/cli/commands.h"

int main(int argc, char** argv) { return egress::run_command_line(argc, argv); }
