# SPDX-License-Identifier: Apache-2.0
# needs: stress-ng
# packages: stress-ng
# ci
# stress-ng's stressors one after the other, each with its own checks on, STRESS_SECONDS long; none fails, and no process is left.
for s in cpu vm fork pipe sock futex timer; do
  case $s in vm) more="--vm-bytes 32m --verify" ;; cpu) more="--cpu-method all --verify" ;; sock) more="--sock-port 15300" ;; timer) more="--timer-freq 1000" ;; *) more="" ;; esac
  stress-ng --$s 2 $more --timeout "${STRESS_SECONDS:-3}s" --metrics-brief --temp-path "$PWD" >$s.out 2>&1; status=$?
  if [ $status = 0 ]; then echo "$s ok"; else echo "$s $status"; tail -15 $s.out; fi
  awk -v s=$s '$0 ~ " " s " +[0-9]+ " { if ($5 + 0 == 0) print "no operations: " $0 }' $s.out
  grep -hE 'fail:|error' $s.out
done
sleep 0.2; left=$(pgrep -c stress-ng); echo "left ${left:-0}"
