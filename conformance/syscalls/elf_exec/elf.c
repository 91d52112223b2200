// SPDX-License-Identifier: Apache-2.0
#include "case.h"
#include <elf.h>

// A tiny program: exit(42), in one read-execute segment, changed by each case.
static struct { Elf64_Ehdr e; Elf64_Phdr p[3]; unsigned char code[64]; } image;
static void fresh(void) {
  static const unsigned char code[] = {0xb8, 60, 0, 0, 0, 0xbf, 42, 0, 0, 0, 0x0f, 5};
  memset(&image, 0, sizeof image);
  memcpy(image.e.e_ident, ELFMAG, 4);
  image.e.e_ident[EI_CLASS] = ELFCLASS64, image.e.e_ident[EI_DATA] = ELFDATA2LSB, image.e.e_ident[EI_VERSION] = 1;
  image.e.e_type = ET_EXEC, image.e.e_machine = EM_X86_64, image.e.e_version = 1;
  image.e.e_phoff = sizeof image.e, image.e.e_ehsize = sizeof image.e, image.e.e_phentsize = sizeof(Elf64_Phdr), image.e.e_phnum = 1;
  image.e.e_entry = 0x400000 + offsetof(typeof(image), code);
  image.p[0] = (Elf64_Phdr){.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = sizeof image, .p_memsz = sizeof image, .p_align = 4096};
  memcpy(image.code, code, sizeof code);
}
static void run(const char *what, size_t length) {
  int fd = open("program", O_CREAT | O_TRUNC | O_WRONLY, 0755);
  write(fd, &image, length);
  close(fd);
  pid_t c = fork();
  if (c == 0) {
    char *a[] = {"program", NULL}, *e[] = {NULL};
    execve("./program", a, e);
    say("%s: execve %s", what, errno_name(errno));
    _exit(0);
  }
  report_end(what, c);
}
#define VARIANT(...) ({ fresh(); __VA_ARGS__; run(#__VA_ARGS__, sizeof image); })

CASE(elf_valid) { VARIANT((void)0); }
CASE(elf_headers_corrupt) {
  VARIANT(image.e.e_ident[0] = 0);
  VARIANT(image.e.e_machine = EM_AARCH64);
  VARIANT(image.e.e_machine = 0);
  VARIANT(image.e.e_type = ET_CORE);
  VARIANT(image.e.e_type = ET_REL);
  VARIANT(image.e.e_phentsize = 32);
  VARIANT(image.e.e_phnum = 0);
  VARIANT(image.e.e_phnum = 60000);
  VARIANT(image.e.e_phoff = 1l << 40);
  VARIANT(image.e.e_phoff = -64);
}
CASE(elf_truncated) {
  fresh();
  run("20 bytes", 20);
  run("63 bytes", 63);
  run("64 bytes", 64);
  run("100 bytes", 100);
  run("120 bytes", 120);
}
CASE(elf_segments_corrupt) {
  VARIANT(image.p[0].p_vaddr = 0x400010);
  VARIANT(image.p[0].p_vaddr = 1ul << 63);
  VARIANT(image.p[0].p_vaddr = 0x7ffffffff000);
  VARIANT(image.p[0].p_filesz = 1l << 50);
  VARIANT(image.p[0].p_memsz = 1l << 50);
  VARIANT(image.p[0].p_memsz = 16);
  VARIANT(image.p[0].p_offset = 1l << 40);
  VARIANT(image.p[0].p_type = PT_NOTE);
  VARIANT(image.p[0].p_flags = PF_R);
  VARIANT(image.e.e_entry = 0);
  VARIANT(image.e.e_entry = 1ul << 63);
}
CASE(elf_bss_is_zero) {
  // Exits with the sum of its first bss byte (file has garbage behind) and 7.
  fresh();
  static const unsigned char code[] = {0xb8, 60, 0, 0, 0, 0x0f, 0xb6, 0x3c, 0x25, 0x00, 0x18, 0x40, 0, 0x83, 0xc7, 7, 0x0f, 5};
  memcpy(image.code, code, sizeof code);
  image.p[0].p_flags = PF_R | PF_W | PF_X, image.p[0].p_memsz = 0x3000;
  run("bss", sizeof image);
}
CASE(elf_interp) {
  fresh();
  image.e.e_phnum = 2;
  image.p[1] = (Elf64_Phdr){.p_type = PT_INTERP, .p_offset = offsetof(typeof(image), code) + 32, .p_filesz = 10};
  memcpy(image.code + 32, "/no/such/x", 10);
  run("interpreter name without end", sizeof image);
  image.code[41] = 0;
  run("missing interpreter", sizeof image);
  memcpy(image.code + 32, "/dev/null", 10);
  run("interpreter is a device", sizeof image);
  memcpy(image.code + 32, "./text\0\0\0", 10);
  make_file("text", "not an ELF file, long enough to hold a header if it were one, and some more text here", 0755);
  run("interpreter is text", sizeof image);
  image.p[1].p_filesz = 1;
  run("interpreter name too short", sizeof image);
  image.p[1].p_filesz = 5000;
  run("interpreter name too long", sizeof image);
}
CASE(elf_pie_and_stack_flags) {
  VARIANT(image.e.e_type = ET_DYN, image.p[0].p_vaddr = 0, image.e.e_entry = offsetof(typeof(image), code));
  VARIANT(image.e.e_phnum = 2, image.p[1].p_type = PT_GNU_STACK, image.p[1].p_flags = PF_R | PF_W);
  VARIANT(image.e.e_type = ET_DYN, image.p[0].p_vaddr = 0, image.p[0].p_align = 1 << 21, image.e.e_entry = offsetof(typeof(image), code));
}
CASE(elf_overlaps_and_order) {
  fresh();
  image.e.e_phnum = 2;
  image.p[1] = image.p[0];
  run("same segment twice", sizeof image);
  image.p[1].p_vaddr = 0x600000, image.p[1].p_flags = PF_R;
  run("second segment above", sizeof image);
}
