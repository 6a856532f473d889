#include "cli/cli.h"

int main(int argc, char **argv) {
    return lbk_cli_main(argc, argv);
}
