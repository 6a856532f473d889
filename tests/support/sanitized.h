/* The sanitizers' build of the tests. What sanitizers look for is in the code, not in the numbers: a loop that takes the same code
 * through more numbers need not go round as often there. What is checked stays the same. */
#ifndef LBK_TESTS_SANITIZED_H
#define LBK_TESTS_SANITIZED_H

#if defined(__SANITIZE_ADDRESS__)
#define LBK_SANITIZED 1
#else
#define LBK_SANITIZED 0
#endif

/* How often a loop goes round: in the plain build, and in the sanitizers'. */
#define LBK_ROUNDS(plain, sanitized) (LBK_SANITIZED ? (sanitized) : (plain))

#endif
