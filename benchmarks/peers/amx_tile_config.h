/* Included before every file of llama.cpp: see llama_server.py.
   GCC 12's `_tile_loadconfig` declares 8 of the 64 bytes that the instruction reads. The optimiser drops the stores to
   the others, and the first tile instruction is illegal (SIGILL). */
#ifdef __AMX_TILE__
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg\t%0" : : "m"(*(const char(*)[64])(config)))
#endif
