/* LD_PRELOAD for pppd in a rig guest: a pppd that insists on stateful MPPE, as some
 * peers did. pppd itself asks for stateless mode and goes over to the other only when
 * it is told to. Here its first requests ask for stateful mode on the wire, a
 * Configure-Nak makes it believe that this was wanted, and a request of the peer for
 * stateless mode is answered by a Configure-Nak and no Ack. Once both ask for stateful
 * mode nothing is changed any more. Give it mppe-stateful. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <string.h>
#include <unistd.h>
enum { REQUEST = 1, ACK, NAK, STATELESS = 0x01, MPPE = 18, MPPE_LEN = 6 };
/* the code of a CCP packet whose only option is MPPE, in stateless mode; NULL: it is none */
static unsigned char *stateless(unsigned char *ccp, long n) {
    if (n < 2 + 4 + MPPE_LEN || ccp[0] != 0x80 || ccp[1] != 0xfd) return NULL;
    unsigned char *p = ccp + 2;
    return p[3] == 4 + MPPE_LEN && p[4] == MPPE && p[5] == MPPE_LEN && p[6] == STATELESS ? p : NULL;
}
ssize_t write(int fd, const void *b, size_t n) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "write");
    unsigned char c[64];
    if (n > sizeof c) return real(fd, b, n);
    memcpy(c, b, n);
    unsigned char *p = stateless(c, n); /* pppd hands CCP over without address and control */
    if (!p || p[0] != REQUEST && p[0] != ACK) return real(fd, b, n);
    if (p[0] == ACK) p[0] = NAK;
    p[6] = 0;
    return real(fd, c, n);
}
ssize_t read(int fd, void *b, size_t n) {
    static ssize_t (*real)(int, void *, size_t);
    if (!real) real = dlsym(RTLD_NEXT, "read");
    ssize_t got = real(fd, b, n);
    unsigned char *p = got > 0 ? stateless(b, got) : NULL;
    if (p && p[0] == NAK) p[6] = 0;
    return got;
}
