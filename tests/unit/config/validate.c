/* SPDX-License-Identifier: BSD-3-Clause */
#include "config/validate.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/config/load.h"

static void test_duplicate_device(void)
{
	bad("[port a]\ndevice=net_af_packet0,iface=x\n[port b]\ndevice=net_af_packet0,iface=y\n"
	    "[port c]\ndevice=net_af_packet01\n",
		"4: [port b] device: found \"net_af_packet0,iface=y\", also the device of [port a] "
		"at line 2; allowed one of its own\n");
	bad("[port a]\ndevice=0000:0a:00.1,x=1\n[port b]\ndevice=A:0.1\n"
	    "[port c]\ndevice=0000:0a:00.2\n",
		"4: [port b] device: found \"A:0.1\", also the device of [port a] at line 2; "
		"allowed one of its own\n");
}

static void test_rx_buffer(void)
{
	struct cfg *cfg = good(PORT "rx_buffer = 1514\n");

	CU_ASSERT_EQUAL(cfg->ports[0].rx_buffer, 1514);
	cfg_free(cfg);
	bad(PORT "rx_buffer = 1513\n",
		"3: [port p] rx_buffer: found 1513; allowed 0, or 1514 and more "
		"(its mtu = 1500, and an Ethernet header)\n");
	/* Either order; and the larger MTU is what counts. */
	bad(PORT "rx_buffer = 2048\nmtu = 9000\n",
		"3: [port p] rx_buffer: found 2048; allowed 0, or 9014 and more "
		"(its mtu = 9000, and an Ethernet header)\n");
}

#define VF_PORT "[port v]\ndevice=pf:ens1,vf=0\n" /* two lines */

static void test_vf(void)
{
	struct cfg *cfg = good("[port a]\ndevice=pf:ens1,vf=3\nmac=02:00:00:00:00:0a\nvlan=7\n"
			       "[port b]\ndevice=pf:ens1,vf=auto\nspoof_check=off\ntrust=on\n"
			       "link_state=enable\nmax_tx_rate=1000\nmin_tx_rate=1000\n"
			       "[port c]\ndevice=pf:ens1,vf=auto\n");

	CU_ASSERT_STRING_EQUAL(cfg->ports[0].vf.pf, "ens1");
	CU_ASSERT_EQUAL(cfg->ports[0].vf.index, 3);
	CU_ASSERT(cfg->ports[0].mac.given && cfg->ports[0].mac.bytes[5] == 0x0a);
	CU_ASSERT_EQUAL(cfg->ports[0].vlan, 7);
	CU_ASSERT(cfg->ports[0].spoof_check && !cfg->ports[0].trust);
	CU_ASSERT_EQUAL(cfg->ports[1].vf.index, -1);
	CU_ASSERT(!cfg->ports[1].mac.given);
	CU_ASSERT(!cfg->ports[1].spoof_check && cfg->ports[1].trust);
	CU_ASSERT_EQUAL(cfg->ports[1].link_state, CFG_LINK_ENABLE);
	CU_ASSERT_EQUAL(cfg->ports[1].max_tx_rate, 1000);
	cfg_free(cfg);

	bad("[port a]\ndevice=pf:ens1,vf=3\n[port b]\ndevice=pf:ens1,vf=03\n",
		"4: [port b] device: found \"pf:ens1,vf=03\", also the device of [port a] "
		"at line 2; allowed one of its own\n");
	bad("[port a]\ndevice=pf:ens1,vf=3\nmax_tx_rate=10\nmin_tx_rate=11\n",
		"4: [port a] min_tx_rate: found 11; allowed 0 to 10 (its max_tx_rate)\n");
	bad(PORT "mac=02:00:00:00:00:0a\nvlan=0\n",
		"3: [port p] mac: found \"02:00:00:00:00:0a\"; allowed only with "
		"device = pf:PF,vf=N\n"
		"4: [port p] vlan: found \"0\"; allowed only with device = pf:PF,vf=N\n");
	/* Of a device that is wrong anyhow: the values alone. */
	bad("[port a]\ndevice=pf:ens1\nvlan=7\ntrust=yes\n",
		"2: [port a] device: found \"pf:ens1\" (no ,vf= behind the PF); allowed " DEVICES
		"\n"
		"4: [port a] trust: found \"yes\" (no such word); allowed on | off\n");
}

static void test_netns(void)
{
	struct cfg *cfg = good("[container n]\nifname=eth1\nport=v\nnetns=/run/netns/n\n"
			       "address=10.0.0.2/24\nkind=netns\n" VF_PORT);

	CU_ASSERT_EQUAL(cfg->containers[0].kind, CFG_CONTAINER_NETNS);
	CU_ASSERT_STRING_EQUAL(cfg->containers[0].netns, "/run/netns/n");
	CU_ASSERT_STRING_EQUAL(cfg->containers[0].ifname, "eth1");
	CU_ASSERT_EQUAL(cfg->containers[0].address.prefix, 24);
	cfg_free(cfg);

	bad(VF_PORT "[container n]\nkind=netns\nsocket=@/c\nport=v\nifname=e\nnetns=/n\n",
		"5: [container n] socket: found \"@/c\"; allowed only with kind = vhost-user\n");
	bad(VF_PORT "[container n]\nkind=netns\n",
		"3: [container n] port: found nothing, but it is required; "
		"allowed NAME or NAME:FIRST_QUEUE, 0 to 255\n"
		"3: [container n] netns: found nothing, but it is required; "
		"allowed an absolute path\n"
		"3: [container n] ifname: found nothing, but it is required; "
		"allowed 1 to 15 printable characters without / : , %\n");
	bad(PORT "[container n]\nkind=netns\nifname=e\nnetns=/n\nport=p\n",
		"7: [container n] port: found [port p], whose device is no VF of the daemon's; "
		"allowed one with device = pf:PF,vf=N\n");
	bad(VF_PORT "queues=2\nmtu=9000\n"
		    "[container n]\nkind=netns\nifname=e\nnetns=/n\nport=v\n",
		"3: [port v] queues: found \"2\"; "
		"allowed only without [container n], whose kind is netns\n"
		"4: [port v] mtu: found \"9000\"; "
		"allowed only without [container n], whose kind is netns\n");
	bad(VF_PORT "[container n]\nkind=netns\nifname=e\nnetns=/n\nport=v:1\n",
		"7: [container n] port: found a queue of [port v]; "
		"allowed the whole VF, without :FIRST_QUEUE\n");
	bad(VF_PORT "[container n]\nkind=netns\nifname=e\nnetns=/n\nport=v\n"
		    "[container m]\nkind=netns\nifname=e\nnetns=/n\nport=v\n"
		    "[container c]\nsocket=@/c\nport=v\n",
		"10: [container m] ifname: found \"e\", also the ifname of [container n] "
		"at line 5; allowed one of its own\n"
		"12: [container m] port: found the VF of [port v], also of [container n] "
		"at line 7; allowed one container per queue\n"
		"15: [container c] port: found queue 0 of [port v], also of [container n] "
		"at line 7; allowed one container per queue\n"
		"15: [container c] port: found queue 0 of [port v], also of [container m] "
		"at line 12; allowed one container per queue\n");
}

static void test_duplicate_socket(void)
{
	char link[96];

	snprintf(link, sizeof(link), "%s/link", dir);
	CU_ASSERT_EQUAL_FATAL(symlink(".", link), 0);
	bad("[port p]\ndevice=net_null0\nqueues=9\n"
	    "[container a]\nport=p\nsocket=@/x\n"
	    "[container b]\nport=p:1\nsocket=@//./x\n"
	    "[container c]\nport=p:2\nsocket=@/link/x\nsocket_mode=client\n"
	    "[container d]\nport=p:3\nsocket=@/y\n",
		"9: [container b] socket: found \"@//./x\", also the socket of [container a] "
		"at line 6; allowed one of its own\n"
		"12: [container c] socket: found \"@/link/x\", also the socket of [container a] "
		"at line 6; allowed one of its own\n");
}

static void test_directory(void)
{
	bad(PORT "[container c]\nport=p\nsocket=@/none/x\n",
		"5: [container c] socket: found the directory \"@/none\" "
		"(No such file or directory); allowed one that exists\n");
	bad(PORT "[container c]\nport=p\nsocket_mode=client\nsocket=@/none/x\n",
		"6: [container c] socket: found the directory \"@/none\" "
		"(No such file or directory); allowed one that exists\n");
	bad(PORT "[container c]\nport=p\nsocket=@/online/x\n",
		"5: [container c] socket: found the directory \"@/online\" "
		"(Not a directory); allowed one that exists\n");
	/* Two sockets in one missing directory are still the same socket. */
	bad(PORT "queues=2\n[container a]\nport=p\nsocket=/none/x\n"
		 "[container b]\nport=p:1\nsocket=/none/.//x\n",
		"6: [container a] socket: found the directory \"/none\" "
		"(No such file or directory); allowed one that exists\n"
		"9: [container b] socket: found the directory \"/none/.\" "
		"(No such file or directory); allowed one that exists\n"
		"9: [container b] socket: found \"/none/.//x\", also the socket of [container a] "
		"at line 6; allowed one of its own\n");
}

static void test_socket_place(void)
{
	bad(PORT "[container c]\nport=p\nsocket=@/online\n",
		"5: [container c] socket: found \"@/online\", which exists and is no socket; "
		"allowed a free path or a socket\n");

	/* A socket may be left there by the last run. */
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/left", dir);
	CU_ASSERT_EQUAL_FATAL(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	cfg_free(good(PORT "[container c]\nport=p\nsocket=@/left\n"));
	close(fd);
}

static void not_writable(void)
{
	struct cfg *cfg;

	CU_ASSERT_EQUAL(load_path(ini, &cfg), -EINVAL);
	check_output("6: [container c] socket: found the directory \"@/ro\" (Permission denied); "
		     "allowed one that this user may write to\n"
		     "12: [container e] socket_mode: found \"x\" (no such word); "
		     "allowed server | client\n");
}

static void test_not_writable(void)
{
	char ro[96];
	char *text = expand(PORT "queues=3\n[container c]\nport=p\nsocket=@/ro/x\n"
				 "[container d]\nsocket_mode=client\nport=p:1\nsocket=@/ro/y\n"
				 "[container e]\nsocket_mode=x\nport=p:2\nsocket=@/ro/z\n");

	snprintf(ro, sizeof(ro), "%s/ro", dir);
	CU_ASSERT_EQUAL_FATAL(mkdir(ro, 0555), 0);
	write_file(ini, text, strlen(text));
	CU_ASSERT_EQUAL(chmod(ini, 0644), 0);
	CU_ASSERT_EQUAL(chmod(cpus_file, 0644), 0);
	free(text);
	as_nobody(not_writable);
}

static void test_dangling(void)
{
	bad("[port wire0]\ndevice=net_null0\n[port east]\ndevice=net_null1\n"
	    "[container a]\nsocket=@/a\nport=wrie0\n[container b]\nsocket=@/b\nport=x:1\n",
		"7: [container a] port: found \"wrie0\", which is no port of this file "
		"(did you mean wire0?); allowed wire0, east\n"
		"10: [container b] port: found \"x\", which is no port of this file; "
		"allowed wire0, east\n");
}

static void test_no_port(void)
{
	bad("", "1: [port]: found no such section; allowed 1 to 32 of [port NAME]\n");
	bad("[switch]\n\n; end\n",
		"3: [port]: found no such section; allowed 1 to 32 of [port NAME]\n");
	bad(SOCKET,
		"3: [port]: found no such section; allowed 1 to 32 of [port NAME]\n"
		"3: [container c] port: found \"p\", which is no port of this file; "
		"allowed the NAME of a [port NAME]\n");
}

static void test_queue_range(void)
{
	cfg_free(good("[container c]\nsocket=@/c\nport=p:3\nqueues=5\n" PORT "queues=8\n"));
	bad("[container c]\nsocket=@/c\nport=p:4\nqueues=5\n" PORT "queues=8\n",
		"4: [container c] queues: found queues 4-8 of [port p]; "
		"allowed 0 to 7 (its queues = 8)\n");
	bad("[container c]\nsocket=@/c\nport=p:255\n" PORT "queues=255\n",
		"3: [container c] port: found queue 255 of [port p]; "
		"allowed 0 to 254 (its queues = 255)\n");
}

static void test_shared_queue(void)
{
	bad("[port p]\ndevice=net_null0\nqueues=16\n[port q]\ndevice=net_null1\nqueues=16\n"
	    "[container a]\nsocket=@/a\nport=p:2\nqueues=4\n"
	    "[container b]\nsocket=@/b\nport=p:4\nqueues=4\n"
	    "[container c]\nsocket=@/c\nport=p:5\n"
	    "[container d]\nsocket=@/d\nport=q:2\nqueues=4\n"
	    "[container e]\nsocket=@/e\nport=p\nqueues=2\n",
		"13: [container b] port: found queues 4-5 of [port p], also of [container a] "
		"at line 9; allowed one container per queue\n"
		"17: [container c] port: found queue 5 of [port p], also of [container a] "
		"at line 9; allowed one container per queue\n"
		"17: [container c] port: found queue 5 of [port p], also of [container b] "
		"at line 13; allowed one container per queue\n");
}

/* A count that is not known is not compared with: one error, not two. */
static void test_unknown_counts(void)
{
	bad(PORT "queues = x\n" SOCKET,
		"3: [port p] queues: found \"x\" (not a number); allowed 1 to 256\n");
	bad(PORT SOCKET "queues = x\n[container d]\nsocket=@/d\nport=p\n",
		"6: [container c] queues: found \"x\" (not a number); allowed 1 to 16\n");
}

static const struct unit_test tests[] = {
	{ "duplicate device", test_duplicate_device },
	{ "rx_buffer: holds a whole frame", test_rx_buffer },
	{ "a VF that the daemon prepares", test_vf },
	{ "a VF in a network namespace", test_netns },
	{ "duplicate socket", test_duplicate_socket },
	{ "socket directory", test_directory },
	{ "what stands at the socket's path", test_socket_place },
	{ "directory not writable", test_not_writable },
	{ "dangling port reference", test_dangling },
	{ "no port", test_no_port },
	{ "queue range", test_queue_range },
	{ "two containers on one queue", test_shared_queue },
	{ "queue counts that cannot be read", test_unknown_counts },
};

UNIT_MAIN("config/validate", setup, teardown, tests)
