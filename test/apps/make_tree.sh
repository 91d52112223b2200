# SPDX-License-Identifier: Apache-2.0
# needs: make gcc ar
# make -j2 of a generated tree: 60 C files, dependency files, an archive, a shared library; then nothing to do, then one file.
for i in $(seq 60); do printf '#include "all.h"\nint f%d(int x) { return x * %d + (int)sizeof(struct s); }\n' $i $i > f$i.c; done
{ echo 'struct s { int a, b; };'; for i in $(seq 60); do echo "int f$i(int);"; done; } > all.h
{ echo '#include <stdio.h>'; echo '#include "all.h"'; echo 'int main(void) { int n = 0;'; for i in $(seq 60); do echo "n += f$i(n % 7);"; done; echo 'printf("%d\n", n); }'; } > main.c
cat > Makefile <<'END'
OBJS = $(patsubst %.c,%.o,$(wildcard f*.c))
prog: main.o libf.a libf.so
	gcc -o $@ main.o libf.a
libf.a: $(OBJS)
	ar rcs $@ $^
libf.so: $(OBJS)
	gcc -shared -o $@ $^
%.o: %.c
	gcc -O2 -fPIC -MMD -c -o $@ $<
-include $(wildcard *.d)
END
make -s -j2 && ./prog; make -j2 | wc -l; touch -d '+1 minute' f7.c; make -j2 2>/dev/null | grep -c gcc; touch -d '+2 minutes' all.h; make -n 2>/dev/null | grep -c MMD; gcc -o dyn main.o -L. -lf && LD_LIBRARY_PATH=. ./dyn
