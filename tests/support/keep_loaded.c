/* Linked into test programs that are built with sanitizers: libraries stay loaded, so that the leak checker can tell whose
 * memory is left (drivers load and unload parts of themselves). See lsan.supp. */
int dlclose(void *handle);

int dlclose(void *handle) {
    (void)handle;
    return 0;
}
