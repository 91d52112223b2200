# SPDX-License-Identifier: Apache-2.0
# needs: sort awk
# sort of a 200 MB file with little memory: temporary files and merges.
awk 'BEGIN { s = 1; for (i = 0; i < 9000000; i++) { s = (s * 16807) % 2147483647; printf "%d line %d\n", s, i } }' > big
wc -c < big; sort -S 16M -T . -n big | md5sum; ls
