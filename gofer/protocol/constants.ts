// SPDX-License-Identifier: Apache-2.0

/**
 * Numbers and limits of the Gofer protocol, shared by server and client.
 */

/** Handshake version: both sides must name the same one. */
export const PROTOCOL_VERSION = 1;
/** Longest frame in bytes, either way. */
export const FRAME_MAX = 131072;
/** Most components in one address or walk. */
export const NAMES_MAX = 64;
/** Longest name in bytes. */
export const NAME_MAX = 255;
/** Longest symbolic link text in bytes. */
export const LINK_MAX = 4095;
/** Longest extended attribute value, and list of names, in bytes. */
export const XATTR_MAX = 65536;
/** Most names in one STAT_MANY and most ids in one FORGET. */
export const BATCH_MAX = 512;
/** READDIR_TREE: most names asked for, most directories answered, most bytes of entries and attributes, deepest level. */
export const TREE_NAMES_MAX = 64;
export const TREE_DIRS_MAX = 1024;
export const TREE_BYTES_MAX = 98304;
export const TREE_DEPTH_MAX = 32;
/** Most files watched for changes at a time. */
export const WATCHES_MAX = 8192;
/** Bytes of one attribute record: the first part of struct statx. */
export const ATTR_SIZE = 144;
/** Control id of the first root; further roots follow. */
export const FIRST_ROOT_CONTROL = 1;

export const HELLO = 1;
export const FORGET = 2;
export const WALK = 3;
export const GETATTR = 4;
export const OPEN = 5;
export const CREATE = 6;
export const MKDIR = 7;
export const MKNOD = 8;
export const SYMLINK = 9;
export const LINK = 10;
export const UNLINK = 11;
export const RENAME = 12;
export const SETATTR = 13;
export const READLINK = 14;
export const READDIR = 15;
export const STAT_MANY = 16;
export const GETXATTR = 17;
export const SETXATTR = 18;
export const REMOVEXATTR = 19;
export const LISTXATTR = 20;
export const STATFS = 21;
export const FSYNC = 22;
export const CONNECT = 23;
export const READDIR_TREE = 24;
export const TMPFILE = 25;
export const WATCH = 26;
export const UNWATCH = 27;
export const BIND = 28;
export const BIND_PORT = 29;

/** Root flags in the HELLO reply. */
export const ROOT_READONLY = 1;
export const ROOT_UDS = 2;
/** Sockets may be made in it. */
export const ROOT_UDS_BIND = 4;

/** WALK flags: make a control id for the last component reached; send what is likely wanted next (a link's text, a file's descriptor). */
export const WALK_CONTROL = 1;
export const WALK_AHEAD = 2;
/** WALK flag: when a component is missing, send the listing of the directory it is missing from, if that is small. */
export const WALK_LISTING = 4;

/** SETATTR valid bits. */
export const SET_MODE = 1;
export const SET_UID = 2;
export const SET_GID = 4;
export const SET_SIZE = 8;
export const SET_ATIME = 16;
export const SET_MTIME = 32;
