#!/bin/busybox sh
# PID 1 of a guest: does what pagetrap says on the second serial line, one command at a time.
#
# A line "run MARK COMMAND", COMMAND in base64, is answered with what the command prints and a line "MARK STATUS".
# A line "off" ends the guest. It is orderly: the kernel calls the drivers' shutdown functions.

export PATH=/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
hostname guest
ip link set lo up

stty -F /dev/ttyS1 raw -echo
exec 3<>/dev/ttyS1
echo ready >&3
while read -r verb mark command <&3; do
    case $verb in
    run)
        text=$(echo "$command" | base64 -d)
        sh -c "$text" </dev/null >&3 2>&1 3>&-
        printf '\n%s %s\n' "$mark" $? >&3
        ;;
    off)
        break
        ;;
    esac
done
poweroff -f
