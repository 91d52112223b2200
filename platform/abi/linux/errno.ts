// SPDX-License-Identifier: Apache-2.0

/**
 * Error numbers, already negative: `return ENOENT;` is what a handler writes and what goes to rax.
 *
 * Linux: include/uapi/asm-generic/errno-base.h, errno.h; include/linux/errno.h for the internal ones.
 */

/** A negative error number, -4095..-1. Objects-or-error unions narrow with isErrno(). */
export type Errno = number & { readonly __errno: true };

/** Operation not permitted */
export const EPERM = -1 as Errno;
/** No such file or directory */
export const ENOENT = -2 as Errno;
/** No such process */
export const ESRCH = -3 as Errno;
/** Interrupted system call */
export const EINTR = -4 as Errno;
/** I/O error */
export const EIO = -5 as Errno;
/** No such device or address */
export const ENXIO = -6 as Errno;
/** Argument list too long */
export const E2BIG = -7 as Errno;
/** Exec format error */
export const ENOEXEC = -8 as Errno;
/** Bad file number */
export const EBADF = -9 as Errno;
/** No child processes */
export const ECHILD = -10 as Errno;
/** Try again */
export const EAGAIN = -11 as Errno;
/** Out of memory */
export const ENOMEM = -12 as Errno;
/** Permission denied */
export const EACCES = -13 as Errno;
/** Bad address */
export const EFAULT = -14 as Errno;
/** Block device required */
export const ENOTBLK = -15 as Errno;
/** Device or resource busy */
export const EBUSY = -16 as Errno;
/** File exists */
export const EEXIST = -17 as Errno;
/** Cross-device link */
export const EXDEV = -18 as Errno;
/** No such device */
export const ENODEV = -19 as Errno;
/** Not a directory */
export const ENOTDIR = -20 as Errno;
/** Is a directory */
export const EISDIR = -21 as Errno;
/** Invalid argument */
export const EINVAL = -22 as Errno;
/** File table overflow */
export const ENFILE = -23 as Errno;
/** Too many open files */
export const EMFILE = -24 as Errno;
/** Not a typewriter */
export const ENOTTY = -25 as Errno;
/** Text file busy */
export const ETXTBSY = -26 as Errno;
/** File too large */
export const EFBIG = -27 as Errno;
/** No space left on device */
export const ENOSPC = -28 as Errno;
/** Illegal seek */
export const ESPIPE = -29 as Errno;
/** Read-only file system */
export const EROFS = -30 as Errno;
/** Too many links */
export const EMLINK = -31 as Errno;
/** Broken pipe */
export const EPIPE = -32 as Errno;
/** Math argument out of domain of func */
export const EDOM = -33 as Errno;
/** Math result not representable */
export const ERANGE = -34 as Errno;
/** Resource deadlock would occur */
export const EDEADLK = -35 as Errno;
/** File name too long */
export const ENAMETOOLONG = -36 as Errno;
/** No record locks available */
export const ENOLCK = -37 as Errno;
/** Invalid system call number */
export const ENOSYS = -38 as Errno;
/** Directory not empty */
export const ENOTEMPTY = -39 as Errno;
/** Too many symbolic links encountered */
export const ELOOP = -40 as Errno;
/** Alias of EAGAIN. */
export const EWOULDBLOCK = EAGAIN;
/** No message of desired type */
export const ENOMSG = -42 as Errno;
/** Identifier removed */
export const EIDRM = -43 as Errno;
/** Channel number out of range */
export const ECHRNG = -44 as Errno;
/** Level 2 not synchronized */
export const EL2NSYNC = -45 as Errno;
/** Level 3 halted */
export const EL3HLT = -46 as Errno;
/** Level 3 reset */
export const EL3RST = -47 as Errno;
/** Link number out of range */
export const ELNRNG = -48 as Errno;
/** Protocol driver not attached */
export const EUNATCH = -49 as Errno;
/** No CSI structure available */
export const ENOCSI = -50 as Errno;
/** Level 2 halted */
export const EL2HLT = -51 as Errno;
/** Invalid exchange */
export const EBADE = -52 as Errno;
/** Invalid request descriptor */
export const EBADR = -53 as Errno;
/** Exchange full */
export const EXFULL = -54 as Errno;
/** No anode */
export const ENOANO = -55 as Errno;
/** Invalid request code */
export const EBADRQC = -56 as Errno;
/** Invalid slot */
export const EBADSLT = -57 as Errno;
/** Alias of EDEADLK. */
export const EDEADLOCK = EDEADLK;
/** Bad font file format */
export const EBFONT = -59 as Errno;
/** Device not a stream */
export const ENOSTR = -60 as Errno;
/** No data available */
export const ENODATA = -61 as Errno;
/** Timer expired */
export const ETIME = -62 as Errno;
/** Out of streams resources */
export const ENOSR = -63 as Errno;
/** Machine is not on the network */
export const ENONET = -64 as Errno;
/** Package not installed */
export const ENOPKG = -65 as Errno;
/** Object is remote */
export const EREMOTE = -66 as Errno;
/** Link has been severed */
export const ENOLINK = -67 as Errno;
/** Advertise error */
export const EADV = -68 as Errno;
/** Srmount error */
export const ESRMNT = -69 as Errno;
/** Communication error on send */
export const ECOMM = -70 as Errno;
/** Protocol error */
export const EPROTO = -71 as Errno;
/** Multihop attempted */
export const EMULTIHOP = -72 as Errno;
/** RFS specific error */
export const EDOTDOT = -73 as Errno;
/** Not a data message */
export const EBADMSG = -74 as Errno;
/** Value too large for defined data type */
export const EOVERFLOW = -75 as Errno;
/** Name not unique on network */
export const ENOTUNIQ = -76 as Errno;
/** File descriptor in bad state */
export const EBADFD = -77 as Errno;
/** Remote address changed */
export const EREMCHG = -78 as Errno;
/** Can not access a needed shared library */
export const ELIBACC = -79 as Errno;
/** Accessing a corrupted shared library */
export const ELIBBAD = -80 as Errno;
/** .lib section in a.out corrupted */
export const ELIBSCN = -81 as Errno;
/** Attempting to link in too many shared libraries */
export const ELIBMAX = -82 as Errno;
/** Cannot exec a shared library directly */
export const ELIBEXEC = -83 as Errno;
/** Illegal byte sequence */
export const EILSEQ = -84 as Errno;
/** Interrupted system call should be restarted */
export const ERESTART = -85 as Errno;
/** Streams pipe error */
export const ESTRPIPE = -86 as Errno;
/** Too many users */
export const EUSERS = -87 as Errno;
/** Socket operation on non-socket */
export const ENOTSOCK = -88 as Errno;
/** Destination address required */
export const EDESTADDRREQ = -89 as Errno;
/** Message too long */
export const EMSGSIZE = -90 as Errno;
/** Protocol wrong type for socket */
export const EPROTOTYPE = -91 as Errno;
/** Protocol not available */
export const ENOPROTOOPT = -92 as Errno;
/** Protocol not supported */
export const EPROTONOSUPPORT = -93 as Errno;
/** Socket type not supported */
export const ESOCKTNOSUPPORT = -94 as Errno;
/** Operation not supported on transport endpoint */
export const EOPNOTSUPP = -95 as Errno;
/** Protocol family not supported */
export const EPFNOSUPPORT = -96 as Errno;
/** Address family not supported by protocol */
export const EAFNOSUPPORT = -97 as Errno;
/** Address already in use */
export const EADDRINUSE = -98 as Errno;
/** Cannot assign requested address */
export const EADDRNOTAVAIL = -99 as Errno;
/** Network is down */
export const ENETDOWN = -100 as Errno;
/** Network is unreachable */
export const ENETUNREACH = -101 as Errno;
/** Network dropped connection because of reset */
export const ENETRESET = -102 as Errno;
/** Software caused connection abort */
export const ECONNABORTED = -103 as Errno;
/** Connection reset by peer */
export const ECONNRESET = -104 as Errno;
/** No buffer space available */
export const ENOBUFS = -105 as Errno;
/** Transport endpoint is already connected */
export const EISCONN = -106 as Errno;
/** Transport endpoint is not connected */
export const ENOTCONN = -107 as Errno;
/** Cannot send after transport endpoint shutdown */
export const ESHUTDOWN = -108 as Errno;
/** Too many references: cannot splice */
export const ETOOMANYREFS = -109 as Errno;
/** Connection timed out */
export const ETIMEDOUT = -110 as Errno;
/** Connection refused */
export const ECONNREFUSED = -111 as Errno;
/** Host is down */
export const EHOSTDOWN = -112 as Errno;
/** No route to host */
export const EHOSTUNREACH = -113 as Errno;
/** Operation already in progress */
export const EALREADY = -114 as Errno;
/** Operation now in progress */
export const EINPROGRESS = -115 as Errno;
/** Stale file handle */
export const ESTALE = -116 as Errno;
/** Structure needs cleaning */
export const EUCLEAN = -117 as Errno;
/** Not a XENIX named type file */
export const ENOTNAM = -118 as Errno;
/** No XENIX semaphores available */
export const ENAVAIL = -119 as Errno;
/** Is a named type file */
export const EISNAM = -120 as Errno;
/** Remote I/O error */
export const EREMOTEIO = -121 as Errno;
/** Quota exceeded */
export const EDQUOT = -122 as Errno;
/** No medium found */
export const ENOMEDIUM = -123 as Errno;
/** Wrong medium type */
export const EMEDIUMTYPE = -124 as Errno;
/** Operation Canceled */
export const ECANCELED = -125 as Errno;
/** Required key not available */
export const ENOKEY = -126 as Errno;
/** Key has expired */
export const EKEYEXPIRED = -127 as Errno;
/** Key has been revoked */
export const EKEYREVOKED = -128 as Errno;
/** Key was rejected by service */
export const EKEYREJECTED = -129 as Errno;
/** Owner died */
export const EOWNERDEAD = -130 as Errno;
/** State not recoverable */
export const ENOTRECOVERABLE = -131 as Errno;
/** Operation not possible due to RF-kill */
export const ERFKILL = -132 as Errno;
/** Memory page has hardware error */
export const EHWPOISON = -133 as Errno;

// Internal codes: never reach the application. The run loop turns them into a restart or EINTR.
/** Restart if SA_RESTART, else EINTR. */
export const ERESTARTSYS = -512 as Errno;
/** Always restart. */
export const ERESTARTNOINTR = -513 as Errno;
/** Restart only when no handler runs, else EINTR. */
export const ERESTARTNOHAND = -514 as Errno;
/** Restart through restart_syscall(2) with adjusted timeouts, else EINTR. */
export const ERESTART_RESTARTBLOCK = -516 as Errno;

/** What an operation that would block returns: objects never block, only syscall handlers wait. */
export const WOULD_BLOCK = EAGAIN;

/** True when a `T | Errno` value (T an object, string or null) is an error. */
export function isErrno(value: unknown): value is Errno {
  return typeof value === 'number';
}

const NAMES = new Map<number, string>([
  [-1, 'EPERM'],
  [-2, 'ENOENT'],
  [-3, 'ESRCH'],
  [-4, 'EINTR'],
  [-5, 'EIO'],
  [-6, 'ENXIO'],
  [-7, 'E2BIG'],
  [-8, 'ENOEXEC'],
  [-9, 'EBADF'],
  [-10, 'ECHILD'],
  [-11, 'EAGAIN'],
  [-12, 'ENOMEM'],
  [-13, 'EACCES'],
  [-14, 'EFAULT'],
  [-15, 'ENOTBLK'],
  [-16, 'EBUSY'],
  [-17, 'EEXIST'],
  [-18, 'EXDEV'],
  [-19, 'ENODEV'],
  [-20, 'ENOTDIR'],
  [-21, 'EISDIR'],
  [-22, 'EINVAL'],
  [-23, 'ENFILE'],
  [-24, 'EMFILE'],
  [-25, 'ENOTTY'],
  [-26, 'ETXTBSY'],
  [-27, 'EFBIG'],
  [-28, 'ENOSPC'],
  [-29, 'ESPIPE'],
  [-30, 'EROFS'],
  [-31, 'EMLINK'],
  [-32, 'EPIPE'],
  [-33, 'EDOM'],
  [-34, 'ERANGE'],
  [-35, 'EDEADLK'],
  [-36, 'ENAMETOOLONG'],
  [-37, 'ENOLCK'],
  [-38, 'ENOSYS'],
  [-39, 'ENOTEMPTY'],
  [-40, 'ELOOP'],
  [-42, 'ENOMSG'],
  [-43, 'EIDRM'],
  [-44, 'ECHRNG'],
  [-45, 'EL2NSYNC'],
  [-46, 'EL3HLT'],
  [-47, 'EL3RST'],
  [-48, 'ELNRNG'],
  [-49, 'EUNATCH'],
  [-50, 'ENOCSI'],
  [-51, 'EL2HLT'],
  [-52, 'EBADE'],
  [-53, 'EBADR'],
  [-54, 'EXFULL'],
  [-55, 'ENOANO'],
  [-56, 'EBADRQC'],
  [-57, 'EBADSLT'],
  [-59, 'EBFONT'],
  [-60, 'ENOSTR'],
  [-61, 'ENODATA'],
  [-62, 'ETIME'],
  [-63, 'ENOSR'],
  [-64, 'ENONET'],
  [-65, 'ENOPKG'],
  [-66, 'EREMOTE'],
  [-67, 'ENOLINK'],
  [-68, 'EADV'],
  [-69, 'ESRMNT'],
  [-70, 'ECOMM'],
  [-71, 'EPROTO'],
  [-72, 'EMULTIHOP'],
  [-73, 'EDOTDOT'],
  [-74, 'EBADMSG'],
  [-75, 'EOVERFLOW'],
  [-76, 'ENOTUNIQ'],
  [-77, 'EBADFD'],
  [-78, 'EREMCHG'],
  [-79, 'ELIBACC'],
  [-80, 'ELIBBAD'],
  [-81, 'ELIBSCN'],
  [-82, 'ELIBMAX'],
  [-83, 'ELIBEXEC'],
  [-84, 'EILSEQ'],
  [-85, 'ERESTART'],
  [-86, 'ESTRPIPE'],
  [-87, 'EUSERS'],
  [-88, 'ENOTSOCK'],
  [-89, 'EDESTADDRREQ'],
  [-90, 'EMSGSIZE'],
  [-91, 'EPROTOTYPE'],
  [-92, 'ENOPROTOOPT'],
  [-93, 'EPROTONOSUPPORT'],
  [-94, 'ESOCKTNOSUPPORT'],
  [-95, 'EOPNOTSUPP'],
  [-96, 'EPFNOSUPPORT'],
  [-97, 'EAFNOSUPPORT'],
  [-98, 'EADDRINUSE'],
  [-99, 'EADDRNOTAVAIL'],
  [-100, 'ENETDOWN'],
  [-101, 'ENETUNREACH'],
  [-102, 'ENETRESET'],
  [-103, 'ECONNABORTED'],
  [-104, 'ECONNRESET'],
  [-105, 'ENOBUFS'],
  [-106, 'EISCONN'],
  [-107, 'ENOTCONN'],
  [-108, 'ESHUTDOWN'],
  [-109, 'ETOOMANYREFS'],
  [-110, 'ETIMEDOUT'],
  [-111, 'ECONNREFUSED'],
  [-112, 'EHOSTDOWN'],
  [-113, 'EHOSTUNREACH'],
  [-114, 'EALREADY'],
  [-115, 'EINPROGRESS'],
  [-116, 'ESTALE'],
  [-117, 'EUCLEAN'],
  [-118, 'ENOTNAM'],
  [-119, 'ENAVAIL'],
  [-120, 'EISNAM'],
  [-121, 'EREMOTEIO'],
  [-122, 'EDQUOT'],
  [-123, 'ENOMEDIUM'],
  [-124, 'EMEDIUMTYPE'],
  [-125, 'ECANCELED'],
  [-126, 'ENOKEY'],
  [-127, 'EKEYEXPIRED'],
  [-128, 'EKEYREVOKED'],
  [-129, 'EKEYREJECTED'],
  [-130, 'EOWNERDEAD'],
  [-131, 'ENOTRECOVERABLE'],
  [-132, 'ERFKILL'],
  [-133, 'EHWPOISON'],
  [-512, 'ERESTARTSYS'],
  [-513, 'ERESTARTNOINTR'],
  [-514, 'ERESTARTNOHAND'],
  [-516, 'ERESTART_RESTARTBLOCK'],
]);

/** Returns the symbolic name of a negative error number, or its decimal text when it has none. */
export function errnoName(errno: number): string {
  return NAMES.get(errno) ?? String(errno);
}
