/* CRC32C (Castagnoli), the checksum of model files and checkpoints.
 *
 * It finds every error burst of up to 32 bits and all but one in 2^32 other damages; it is no protection against
 * somebody who changes a file on purpose.  Polynomial 0x1EDC6F41 reflected, as in iSCSI (RFC 3720, appendix B.4). */
#ifndef KOHL_KERNELS_CORE_CRC32C_H
#define KOHL_KERNELS_CORE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what crc already covers followed by bytes bytes at data (any alignment; NULL with 0 bytes).
 * Start with 0: kohl_crc32c(kohl_crc32c(0, a, m), b, n) is the checksum of a and b together.  Any thread. */
uint32_t kohl_crc32c(uint32_t crc, const void *data, size_t bytes);

/* The same number without the processor's instruction, for the test that compares the two. */
uint32_t kohl_crc32c_portable(uint32_t crc, const void *data, size_t bytes);

#endif
