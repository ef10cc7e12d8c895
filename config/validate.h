/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "config/parse.h"

/*
 * What one value alone does not show: references, things that must be unique, queue ranges, and the
 * directories of sockets. Skips values that are already reported. Sets cfg_section.port.
 * Returns 0, also with errors found, or -ENOMEM.
 */
int cfg_validate(struct cfg_file *file, struct cfg_errors *errs);

#endif /* CONFIG_VALIDATE_H */
