/* The binary version of CIFAR-10 and CIFAR-100 (Krizhevsky 2009): fixed-size records of one or two label bytes and 3072
 * pixel bytes, three 32x32 planes, red, green, blue. */
#ifndef LBK_DATA_CIFAR_H
#define LBK_DATA_CIFAR_H

#include "data/dataset.h"

#define LBK_CIFAR_LABELS 2 /* most label bytes of a record */

typedef struct lbk_cifar_format {
    const char *subfolder;                  /* that the distributed archive unpacks to; looked into when it is there */
    const char *const *train, *const *test; /* file names, NULL-terminated */
    int label_bytes;                        /* before the pixels */
    int label_limit[LBK_CIFAR_LABELS];      /* exclusive, of each label byte */
    int label_used;                         /* which label byte is the class */
    const char *names;                      /* text file with one class name a line, read when it is there */
    float mean[3], deviation[3];            /* of the 50,000 training images */
} lbk_cifar_format;

/* Reads all files into memory and fills `source`. `path` is relative to `folder`. Errors name file, record and byte. */
lbk_status lbk_cifar_open(const lbk_cifar_format *format, const char *folder, const char *path, lbk_source *source);

#endif
